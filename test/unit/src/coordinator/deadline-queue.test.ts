import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DeadlineQueue, type Expiring } from '../../../../src/coordinator/deadline-queue.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

class Entry implements Expiring {
  deadlineMs = 0;
  earlier: Expiring | null = null;
  later: Expiring | null = null;
  readonly #onEnd: (how: string) => void;

  constructor(onEnd: (how: string) => void = () => undefined) {
    this.#onEnd = onEnd;
  }

  expire(): void {
    this.#onEnd('expired');
  }

  abandon(): void {
    this.#onEnd('abandoned');
  }
}

test('each entry that stays expires once, in its turn, at most 10 ms late', () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 60 }),
    add: fc.boolean(),
    waitedShare: fc.constantFrom(0, 0, 0.3, 0.9),
    remove: fc.option(fc.nat(50), { nil: -1 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 100 }), (steps, timeoutMs) => {
      const clock = new FakeClock();
      const queue = new DeadlineQueue(clock, timeoutMs);
      const entries: Entry[] = [];
      const dueMs: number[] = [];
      const endedAtMs: number[] = [];
      const order: number[] = [];
      for (const { waitMs, add, remove, waitedShare } of steps) {
        clock.advance(waitMs);
        if (add) {
          const index = entries.length;
          const entry = new Entry(() => {
            assert.equal(endedAtMs[index], -1, 'expired twice or after it was removed');
            endedAtMs[index] = clock.monotonicMs();
            order.push(index);
          });
          endedAtMs.push(-1);
          const waitedMs = Math.floor(waitedShare * timeoutMs);
          dueMs.push(clock.monotonicMs() + timeoutMs - waitedMs);
          entries.push(entry);
          queue.add(entry, waitedMs);
        }
        if (remove >= 0 && remove < entries.length && endedAtMs[remove] === -1) {
          queue.remove(entries[remove]);
          queue.remove(entries[remove]);
          endedAtMs[remove] = Number.NaN;
        }
      }
      clock.advance(timeoutMs + 10);
      endedAtMs.forEach((endedMs, i) => {
        if (Number.isNaN(endedMs)) return;
        assert.ok(
          endedMs >= dueMs[i] && endedMs <= dueMs[i] + 10,
          `due at ${dueMs[i]}, expired at ${endedMs}`,
        );
      });
      assert.deepEqual(
        order,
        order.toSorted((a, b) => dueMs[a] - dueMs[b] || a - b),
      );
      clock.advance(timeoutMs + 10);
      assert.equal(clock.pendingTimers, 0, 'an empty queue keeps no timer');
    }),
    { numRuns: 300 },
  );
});

test('one timer serves all entries', () => {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock, 1000);
  for (let i = 0; i < 50; i++) {
    queue.add(new Entry(), 0);
    clock.advance(1);
  }
  assert.equal(clock.pendingTimers, 1);
});

test('an entry that expires may add the next', () => {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock, 100);
  const ends: number[] = [];
  const second = new Entry(() => void ends.push(clock.monotonicMs()));
  queue.add(
    new Entry(() => {
      ends.push(clock.monotonicMs());
      queue.add(second, 0);
    }),
    0,
  );
  clock.advance(300);
  assert.deepEqual(ends, [100, 200]);
});

test('closing abandons what is left, in its turn, and stops the timer', () => {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock, 100);
  const ends: string[] = [];
  const entries = ['first', 'second', 'third'].map(
    (name) => new Entry((how) => void ends.push(`${name} ${how}`)),
  );
  for (const entry of entries) queue.add(entry, 0);
  queue.remove(entries[1]);
  queue.close();
  assert.deepEqual(ends, ['first abandoned', 'third abandoned']);
  assert.equal(clock.pendingTimers, 0);
});
