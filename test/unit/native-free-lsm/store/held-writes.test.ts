/** Which writes wait on main, and for how long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionRecord, rangeRecord } from '../../../../native-free-lsm/log/write-operation.ts';
import { HeldWrites } from '../../../../native-free-lsm/store/held-writes.ts';
import { batchOf, type QueuedWrite, rangeOf } from '../../../../native-free-lsm/store/queued-write.ts';
import { record } from '../../../support/engine-calls.ts';

const SINK = { onWrite: () => undefined };

/** Comes to writes as main's queue would: each is held back or goes on. */
class Queue {
  readonly held = new HeldWrites();
  readonly #names = new Map<QueuedWrite, string>();

  /** @param conditions keys @param puts keys @returns whether it goes on at once */
  take(name: string, conditions: string[], puts: string[], timestamp = 1000): boolean {
    const keyed = (key: string, bytes: Uint8Array) => ({ key: Buffer.from(key), record: bytes });
    const write = batchOf(
      puts.map((key) => keyed(key, record(timestamp, Buffer.alloc(1)))),
      conditions.map((key) => keyed(key, conditionRecord(0, 0))),
      SINK,
      0,
      false,
      this.held.lastBatch,
    );
    return this.#take(name, write);
  }

  clear(name: string, start: string, timestamp = 1000): boolean {
    const put = { key: Buffer.from(start), record: rangeRecord(timestamp, null) };
    return this.#take(name, rangeOf(put, SINK, 0, false));
  }

  /** A batch that deletes a range and puts a key behind it. */
  clearInBatch(name: string, start: string, key: string, timestamp = 1000): boolean {
    const range = { key: Buffer.from(start), record: rangeRecord(timestamp, null), isRange: true };
    const put = { key: Buffer.from(key), record: record(timestamp + 1, Buffer.alloc(1)) };
    return this.#take(name, batchOf([range, put], [], SINK, 0, false, this.held.lastBatch));
  }

  #take(name: string, write: QueuedWrite): boolean {
    if (!this.held.holds(write)) return true;
    this.#names.set(write, name);
    this.held.add(write, 0);
    return false;
  }

  released(): (string | undefined)[] {
    return this.held.takeReleased().map((write) => this.#names.get(write));
  }
}

test('so does a batch that deletes a range among others', () => {
  const queue = new Queue();
  assert.ok(queue.clearInBatch('free', 'a', 'b'));
  const batch = queue.held.batchBegun();
  assert.ok(queue.clearInBatch('nothing is held back', 'a', 'b'));
  assert.ok(!queue.take('conditional', ['k'], ['k']));
  assert.ok(!queue.clearInBatch('range', 'x', 'y'));
  assert.ok(!queue.take('behind it', [], ['other']));
  assert.ok(queue.held.holdsPut(Buffer.from('one more'), record(1000, Buffer.alloc(1))));
  queue.held.batchEnded(batch);
  assert.deepEqual(queue.released(), ['conditional', 'range', 'behind it']);
});

test('a deletion of a range waits for what is held back by its keys, and all that follows waits for it', () => {
  const queue = new Queue();
  assert.ok(queue.clear('free', 'a'));
  const batch = queue.held.batchBegun();
  assert.ok(queue.clear('newer than the batch', 'a'));
  assert.ok(!queue.take('conditional', ['k'], ['k']));
  assert.ok(queue.take('elsewhere', [], ['d']));
  assert.ok(!queue.clear('range', 'x'));
  assert.ok(!queue.take('behind it', [], ['d']));
  assert.ok(queue.held.holdsPut(Buffer.from('d'), record(1000, Buffer.alloc(1))));
  assert.deepEqual(queue.released(), []);
  queue.held.batchEnded(batch);
  assert.deepEqual(queue.released(), ['conditional', 'range', 'behind it']);
  assert.ok(!queue.held.holdsPut(Buffer.from('d'), record(1000, Buffer.alloc(1))));
  queue.held.holdUpTo(500);
  assert.ok(!queue.clear('old', 'x', 400));
  assert.ok(!queue.take('behind the old one', [], ['d'], 600));
  queue.held.releaseUpTo();
  assert.deepEqual(queue.released(), ['old', 'behind the old one']);
});

test('a conditional write waits for the large batches before it, and what touches its keys waits behind it', () => {
  const queue = new Queue();
  assert.ok(queue.take('before', ['a'], ['a']));
  const first = queue.held.batchBegun();
  assert.ok(!queue.take('behind first', ['a'], ['b']));
  const second = queue.held.batchBegun();
  assert.ok(!queue.take('behind second', ['c'], ['c']));
  assert.ok(!queue.take('on b', [], ['x', 'b']));
  assert.ok(!queue.take('on x', [], ['x']));
  assert.ok(!queue.take('on c', [], ['c']));
  assert.ok(queue.take('free', [], ['d']));
  assert.ok(queue.held.holdsPut(Buffer.from('a'), record(1000, Buffer.alloc(1))));
  assert.ok(!queue.held.holdsPut(Buffer.from('d'), record(1000, Buffer.alloc(1))));
  assert.deepEqual(queue.released(), []);
  queue.held.batchEnded(first);
  assert.deepEqual(queue.released(), ['behind first', 'on b', 'on x']);
  assert.ok(!queue.held.holdsPut(Buffer.from('a'), record(1000, Buffer.alloc(1))));
  assert.ok(queue.held.holdsPut(Buffer.from('c'), record(1000, Buffer.alloc(1))));
  queue.held.batchEnded(second);
  assert.deepEqual(queue.released(), ['behind second', 'on c']);
  assert.equal(queue.held.count, 0);
});

test('a write up to the timestamp waits, and a batch without puts for all before it alone', () => {
  const queue = new Queue();
  assert.ok(queue.take('nothing waits', [], []));
  queue.held.holdUpTo(500);
  assert.ok(queue.take('newer', [], ['a'], 501));
  assert.ok(!queue.take('older', [], ['a'], 500));
  const batch = queue.held.batchBegun();
  assert.ok(!queue.take('barrier', [], []));
  assert.ok(!queue.take('conditional', ['z'], ['z']));
  assert.ok(!queue.take('second barrier', [], []));
  queue.held.releaseUpTo();
  assert.deepEqual(queue.released(), ['older', 'barrier']);
  queue.held.batchEnded(batch);
  assert.deepEqual(queue.released(), ['conditional', 'second barrier']);
});
