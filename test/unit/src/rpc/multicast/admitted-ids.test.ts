import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_TAG } from '../../../../../native-free-lsm/index.ts';
import { InFlightTable } from '../../../../../src/rpc/in-flight.ts';
import { DEFAULT_RPC_LIMITS } from '../../../../../src/rpc/limits.ts';
import { AdmittedIds } from '../../../../../src/rpc/multicast/admitted-ids.ts';

const IN_FLIGHT = 20;
const NOBODY = { onReply() {} };

describe('admitted ids', () => {
  it('take each request once, whichever way it comes first, and none that is older', () => {
    const admitted = new AdmittedIds(IN_FLIGHT);
    assert.ok(admitted.isNew(5));
    // Asking changes nothing: a datagram that cannot be served now may come again.
    assert.ok(admitted.isNew(5));
    admitted.admit(5);
    assert.ok(!admitted.isNew(5));
    assert.ok(!admitted.admitStreamed(5));
    assert.ok(admitted.admitStreamed(6));
    assert.ok(!admitted.isNew(6));
    const later = 5 + 64;
    assert.ok(admitted.admitStreamed(later));
    assert.ok(!admitted.isNew(5), 'its sender has given out a later id in its place');
  });

  it('remember the later one when an earlier one comes late over the stream', () => {
    const admitted = new AdmittedIds(DEFAULT_RPC_LIMITS.maxInFlight);
    const later = 5 + 16_384;
    admitted.admit(later);
    assert.ok(admitted.admitStreamed(5));
    assert.ok(!admitted.isNew(later), 'a datagram that comes again would be served again');
    assert.ok(!admitted.admitStreamed(later), 'and so would one that is sent again');
    assert.ok(!admitted.isNew(5));
  });

  it('go on where ids begin again', () => {
    const admitted = new AdmittedIds(IN_FLIGHT);
    assert.ok(admitted.admitStreamed(MAX_TAG));
    assert.ok(admitted.admitStreamed(0));
    const before = MAX_TAG - 63;
    assert.ok(!admitted.isNew(before));
    assert.ok(admitted.isNew(MAX_TAG - 1 - 64));
    admitted.admit(MAX_TAG - 1 - 64);
    assert.ok(admitted.isNew(62), 'the same place, after the turn');
  });

  it('serve what a sender waits for exactly once, in any order of datagrams and resends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat()), { maxLength: 400 }),
        (steps) => {
          const sender = new InFlightTable();
          const admitted = new AdmittedIds(IN_FLIGHT);
          const served = new Map<number, number>();
          /** Datagrams that the network may still bring, the old ones too. */
          const network: number[] = [];
          const waiting: number[] = [];
          const serve = (id: number): void => void served.set(id, (served.get(id) ?? 0) + 1);
          for (const [kind, draw] of steps) {
            if (kind < 4 && waiting.length < IN_FLIGHT) {
              const id = sender.add(NOBODY, 0, 0, false, false);
              waiting.push(id);
              network.push(id);
            } else if (kind < 7 && network.length > 0) {
              const id = network[draw % network.length];
              if (admitted.isNew(id)) {
                admitted.admit(id);
                serve(id);
              }
            } else if (kind < 9 && waiting.length > 0) {
              const [id] = waiting.splice(draw % waiting.length, 1);
              if (admitted.admitStreamed(id)) serve(id);
              assert.equal(served.get(id), 1, 'a request that is waited for was not served');
              const request = sender.find(id);
              if (request !== undefined) sender.free(request);
            }
          }
          for (const [id, times] of served) assert.equal(times, 1, `${id}`);
        },
      ),
    );
  });
});
