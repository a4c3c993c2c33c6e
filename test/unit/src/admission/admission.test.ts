import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Admission } from '../../../../src/admission/admission.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

test('its figures are those of a plain list, and no bound is ever passed', () => {
  const limits = { maxRequestsInFlight: 4, maxBytesInFlight: 1000, answerTimeoutMs: 1000 };
  const step = fc.oneof(
    fc.record({ act: fc.constant('admit' as const), bytes: fc.nat(600) }),
    fc.record({ act: fc.constantFrom('end' as const, 'grow' as const), bytes: fc.nat(300) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const admission = new Admission(limits, new FakeClock());
      const held: number[] = [];
      let refused = 0;
      const total = (): number => held.reduce((sum, bytes) => sum + bytes, 0);
      for (const { act, bytes } of steps) {
        if (act === 'admit') {
          const isRoom =
            held.length < limits.maxRequestsInFlight && total() + bytes <= limits.maxBytesInFlight;
          assert.equal(admission.admitRequest(bytes), isRoom);
          if (isRoom) held.push(bytes);
          else refused += 1;
        } else if (act === 'grow' && held.length > 0) {
          const isRoom = total() + bytes <= limits.maxBytesInFlight;
          assert.equal(admission.reserveBytes(bytes), isRoom);
          if (isRoom) held[0] += bytes;
          else refused += 1;
        } else if (act === 'end' && held.length > 0) {
          admission.releaseRequest(held.shift()!);
        }
        const { requestsInFlight, bytesInFlight, refused: counted } = admission.figures;
        assert.deepEqual([requestsInFlight, bytesInFlight, counted], [held.length, total(), refused]);
      }
    }),
  );
});

test('a drain is over once, when the last of all kinds has ended', () => {
  const admission = new Admission(
    { maxRequestsInFlight: 10, maxBytesInFlight: 100, answerTimeoutMs: 1000 },
    new FakeClock(),
  );
  admission.admitRequest(10);
  admission.beginRange();
  admission.reserveBytes(20);
  admission.beginLingering();
  let idle = 0;
  admission.drain(() => {
    idle += 1;
  });
  assert.ok(admission.isDraining);
  const ends = [
    () => admission.releaseRequest(10),
    () => admission.endRange(),
    () => admission.releaseBytes(20),
    () => admission.endLingering(),
  ];
  for (const end of ends) {
    assert.equal(idle, 0);
    end();
  }
  assert.equal(idle, 1);
  admission.beginLingering();
  admission.endLingering();
  assert.equal(idle, 1);
});

test('a drain refuses at once whoever waits to be refused, with a body still to come or without', () => {
  const admission = new Admission(
    { maxRequestsInFlight: 10, maxBytesInFlight: 100, answerTimeoutMs: 1000 },
    new FakeClock(),
  );
  for (const line of [admission.refusals, admission.bodyRefusals]) {
    let refused = 0;
    const waiting = () => ({ sinceMs: 0, ahead: null, behind: null, onRefused: () => refused++ });
    let asked = 0;
    while (line.waiting < 3) {
      line.refuse(waiting());
      asked++;
    }
    assert.equal(refused, asked - 3);
    admission.drain(() => {});
    assert.deepEqual([refused, line.waiting], [asked, 0]);
  }
});
