import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Clock } from '../../../../src/clock.ts';
import { type Hedgeable, HedgeQueue } from '../../../../src/coordinator/hedge-queue.ts';
import { ReplicaHealth } from '../../../../src/coordinator/replica-health.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import { StalledClock } from '../../../support/stalled-clock.ts';

const MAX_DELAY_MS = 100;
const [BROKEN, WELL] = ['broken', 'well'].map((id) => new ReplicaHealth(id, { minMs: 1, maxMs: 100 }));

class Read implements Hedgeable {
  hedgeDueMs = 0;
  isDecided = false;
  replica = BROKEN;
  readonly dueAtMs: number[] = [];
  readonly #clock: Clock;
  readonly #onDue: () => void;

  constructor(clock: Clock, onDue: () => void = () => undefined) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  onHedgeDue(): void {
    this.dueAtMs.push(this.#clock.monotonicMs());
    this.#onDue();
  }

  waitsFor(health: ReplicaHealth): boolean {
    return health === this.replica;
  }
}

function setUp(maxDelayMs = MAX_DELAY_MS) {
  const clock = new FakeClock();
  const queue = new HedgeQueue(clock, maxDelayMs);
  const add = (read: Read, delayMs: number): void => queue.add(read, clock.monotonicMs(), delayMs);
  return { clock, queue, add, read: (onDue?: () => void) => new Read(clock, onDue) };
}

test('each read that is not answered in time is told once, when it is due, up to a step later; others never', () => {
  const step = fc.record({
    passMs: fc.constantFrom(0, 0, 1, 3, 20, 150),
    delayMs: fc.double({ min: 0.1, max: MAX_DELAY_MS, noNaN: true }),
    answersAfterMs: fc.option(fc.integer({ min: 0, max: MAX_DELAY_MS }), { nil: -1 }),
  });
  const maxDelays = fc.constantFrom(MAX_DELAY_MS, 10_000);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), maxDelays, (steps, maxDelayMs) => {
      const { add, clock, queue, read } = setUp(maxDelayMs);
      const stepMs = Math.ceil(maxDelayMs / 1_000);
      const cases = steps.map(({ passMs, delayMs, answersAfterMs }) => {
        clock.advance(passMs);
        const one = read();
        add(one, delayMs);
        const dueMs = clock.monotonicMs() + delayMs;
        if (answersAfterMs >= 0) {
          clock.after(answersAfterMs, () => {
            one.isDecided = true;
          });
        }
        return { one, dueMs, isInTime: answersAfterMs >= 0 && answersAfterMs <= delayMs };
      });
      clock.advance(maxDelayMs + 2 * stepMs);
      for (const { one, dueMs, isInTime } of cases) {
        assert.ok(one.dueAtMs.length <= 1);
        if (isInTime) assert.equal(one.dueAtMs.length, 0, 'it was answered');
        else if (!one.isDecided) assert.equal(one.dueAtMs.length, 1, 'it was not told');
        for (const atMs of one.dueAtMs)
          assert.ok(atMs >= dueMs && atMs <= dueMs + stepMs + 1, `due at ${dueMs}, told at ${atMs}`);
      }
      assert.equal(clock.pendingTimers, 0, 'an empty queue keeps no timer');
      queue.close();
    }),
  );
});

test('one timer serves all reads', () => {
  const { add, clock, read } = setUp();
  for (let i = 0; i < 100; i++) {
    add(read(), 1 + (i % 50));
    assert.equal(clock.pendingTimers, 1);
  }
});

test('of a read that is added again the later time counts, also when it is the earlier one', () => {
  const { add, clock, read } = setUp();
  const later = read();
  add(later, 5);
  clock.advance(2);
  add(later, 50);
  clock.advance(40);
  assert.deepEqual(later.dueAtMs, []);
  clock.advance(12);
  assert.deepEqual(later.dueAtMs, [52]);
  const earlier = read();
  add(earlier, 50);
  add(earlier, 3);
  clock.advance(60);
  assert.equal(earlier.dueAtMs.length, 1);
  assert.ok(earlier.dueAtMs[0] < 60);
});

test('a read that is due may be added again, as one that has no budget is', () => {
  const { add, clock, read } = setUp();
  const one: Read = read(() => {
    if (one.dueAtMs.length < 3) add(one, 10);
  });
  add(one, 10);
  clock.advance(100);
  assert.deepEqual(one.dueAtMs, [10, 20, 30]);
  assert.equal(clock.pendingTimers, 0);
});

test('what was answered while this thread was busy is not late: the sockets are read first', () => {
  const clock = new StalledClock();
  const queue = new HedgeQueue(clock, MAX_DELAY_MS);
  const [answered, silent] = [new Read(clock), new Read(clock)];
  for (const read of [answered, silent]) queue.add(read, 0, 5);
  clock.atMs = 500;
  clock.goOff();
  answered.isDecided = true;
  clock.endTurn();
  assert.deepEqual([answered.dueAtMs, silent.dueAtMs], [[], [500]]);
});

test('after a pause longer than the wheel nobody is lost, and nobody is told too early', () => {
  const clock = new StalledClock();
  const queue = new HedgeQueue(clock, MAX_DELAY_MS);
  const before = [5, 90].map((delayMs) => {
    const read = new Read(clock);
    queue.add(read, 0, delayMs);
    return read;
  });
  // The wheel has not turned yet when a new read comes.
  clock.atMs = 5_000;
  const after = new Read(clock);
  queue.add(after, 5_000, 50);
  clock.endTurn();
  assert.deepEqual(
    [...before, after].map(({ dueAtMs }) => dueAtMs),
    [[5_000], [5_000], []],
  );
  clock.atMs = 5_051;
  clock.goOff();
  clock.endTurn();
  assert.deepEqual(after.dueAtMs, [5_051]);
});

test('in a hurry all are due that wait for the replica, at the end of the turn, and not once more', () => {
  const { add, clock, queue, read } = setUp();
  const reads = [1, 20, 100].map((delayMs) => {
    const one = read();
    add(one, delayMs);
    return one;
  });
  reads[1].isDecided = true;
  queue.hurry(BROKEN);
  assert.deepEqual(reads[0].dueAtMs, []);
  clock.flush();
  clock.advance(200);
  assert.deepEqual(
    reads.map(({ dueAtMs }) => dueAtMs),
    [[0], [], [0]],
  );
  assert.equal(clock.pendingTimers, 0);
});

test('in a hurry those that wait for others stay, also in the same slot, and are due in their time', () => {
  const { add, clock, queue, read } = setUp();
  const reads = [5, 5, 20, 20, 100].map((delayMs, i) => {
    const one = read();
    if (i % 2 === 0) one.replica = WELL;
    add(one, delayMs);
    return one;
  });
  queue.hurry(BROKEN);
  clock.flush();
  clock.advance(200);
  assert.deepEqual(
    reads.map(({ dueAtMs }) => dueAtMs),
    [[5], [0], [20], [0], [100]],
  );
  assert.equal(clock.pendingTimers, 0);
  // The wheel counts right: a new read is told, and leaves nothing behind.
  const later = read();
  add(later, 7);
  clock.advance(50);
  assert.deepEqual(later.dueAtMs, [207]);
  assert.equal(clock.pendingTimers, 0);
});

test('closed, it tells nobody, takes nobody and keeps no timer', () => {
  const { add, clock, queue, read } = setUp();
  const reads = [read(), read()];
  add(reads[0], 5);
  queue.close();
  add(reads[1], 5);
  queue.hurry(BROKEN);
  clock.advance(100);
  for (const { dueAtMs } of reads) assert.deepEqual(dueAtMs, []);
  assert.equal(clock.pendingTimers, 0);
});
