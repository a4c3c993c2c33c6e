import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../../src/clock.ts';
import { Assemblies } from '../../../../src/rpc/assembly.ts';
import { Backoff } from '../../../../src/rpc/backoff.ts';
import { InFlightTable } from '../../../../src/rpc/in-flight.ts';
import { FEATURES, Feature, MessageKind, Operation } from '../../../../src/rpc/operations.ts';
import { Silence } from '../../../../src/rpc/silence.ts';
import { ReplyBook } from '../../../support/rpc-nodes.ts';

describe('registered numbers', () => {
  it('never change', () => {
    assert.deepEqual(Operation, { read: 1, write: 2, readVersion: 3, rangePage: 4 });
    assert.deepEqual(Feature, { readVersion: 2 });
    assert.equal(FEATURES & 1, 0);
    const kinds = { hello: 1, welcome: 2, refuse: 3, request: 4, response: 5, cancel: 6, fragment: 7, ping: 8, pong: 9 };
    assert.deepEqual(MessageKind, kinds);
  });
});

describe('backoff', () => {
  it('doubles up to its bound, jittered, and starts over', () => {
    const backoff = new Backoff(20, 1_000, seededRandom(1));
    for (const boundMs of [20, 40, 80, 160, 320, 640, 1_000, 1_000]) {
      const waitMs = backoff.nextMs();
      assert.ok(waitMs >= boundMs / 2 && waitMs < boundMs, `${waitMs} of ${boundMs}`);
    }
    backoff.reset();
    assert.ok(backoff.nextMs() < 20);
  });
});

describe('silence', () => {
  it('counts ticks without a sound', () => {
    const silence = new Silence();
    assert.equal(silence.tick(), 1);
    assert.equal(silence.tick(), 2);
    silence.hear();
    assert.equal(silence.tick(), 0);
    assert.equal(silence.tick(), 1);
  });
});

describe('assemblies', () => {
  it('put messages together whatever the sizes of their parts', () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(parts, parts, (first, second) => {
        const assemblies = new Assemblies(1_000);
        const whole = (sent: Uint8Array[]) => Buffer.concat(sent);
        const done: Buffer[] = [];
        const offsets = [0, 0];
        for (let i = 0; i < Math.max(first.length, second.length); i++) {
          for (const [id, sent] of [first, second].entries()) {
            if (i >= sent.length) continue;
            const message = assemblies.add(id, whole(sent).length, offsets[id], sent[i]);
            offsets[id] += sent[i].length;
            if (message !== null) done.push(message);
          }
        }
        const hex = (messages: Buffer[]) => messages.map((message) => message.toString('hex')).sort();
        assert.deepEqual(hex(done), hex([whole(first), whole(second)]));
      }),
    );
  });

  it('refuse what no sender sends', () => {
    const part = Buffer.alloc(10);
    assert.throws(() => new Assemblies(99).add(1, 100, 0, part), { code: 'PROTOCOL' });
    assert.throws(() => new Assemblies(99).add(1, 10, 0, part), { code: 'PROTOCOL' });
    const assemblies = new Assemblies(100);
    assemblies.add(1, 100, 0, part);
    assemblies.add(2, 100, 0, part);
    assert.throws(() => assemblies.add(3, 100, 0, part), { code: 'PROTOCOL' });
    assert.throws(() => assemblies.add(1, 100, 20, part), { code: 'PROTOCOL' });
    assert.throws(() => assemblies.add(1, 90, 10, part), { code: 'PROTOCOL' });
  });

  it('pass over the rest of a message that was dropped', () => {
    const assemblies = new Assemblies(100);
    assemblies.add(1, 30, 0, Buffer.alloc(10));
    assert.equal(assemblies.has(1), true);
    assemblies.drop(1);
    assert.equal(assemblies.has(1), false);
    assert.equal(assemblies.add(1, 30, 10, Buffer.alloc(10)), null);
    assert.equal(assemblies.add(1, 30, 20, Buffer.alloc(10)), null);
  });
});

describe('in-flight table', () => {
  it('gives each entry out once', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    table.add(5, sink, 1, 100, false, true);
    const entry = table.take(5);
    assert.equal(entry?.position, 1);
    assert.equal(table.take(5), undefined);
    assert.equal(table.count, 0);
  });

  it('takes out what has expired and leaves the rest', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    for (let id = 1; id <= 4; id++) table.add(id, sink, id, id * 10, false, false);
    assert.equal(table.takeExpired(9), null);
    assert.deepEqual(table.takeExpired(20)?.map((entry) => entry.id), [1, 2]);
    assert.equal(table.count, 2);
    assert.deepEqual(table.takeAll().map((entry) => entry.id), [3, 4]);
  });

  it('uses entries again', () => {
    const table = new InFlightTable();
    const sink = new ReplyBook();
    table.add(1, sink, 1, 10, true, true);
    const entry = table.take(1);
    assert.ok(entry !== undefined);
    table.free(entry);
    table.add(2, sink, 7, 20, false, false);
    const again = table.take(2);
    assert.equal(again, entry);
    assert.deepEqual({ ...again }, { id: 2, sink, position: 7, deadlineMs: 20, isLarge: false, wantsRecord: false });
  });
});
