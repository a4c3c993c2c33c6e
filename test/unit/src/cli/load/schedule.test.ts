import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Schedule } from '../../../../../src/cli/load/schedule.ts';

test('as many are due as the rate says, each at the whole millisecond at which it is counted', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.double({ min: 0.5, max: 50_000, noNaN: true }), fc.integer({ min: 1, max: 20_000 })),
      fc.integer({ min: 1, max: 3_000 }),
      (rate, durationMs) => {
        const schedule = new Schedule(rate, durationMs);
        let taken = 0;
        for (let ms = 0; ms < durationMs; ms++) {
          for (let due = schedule.due(ms + 0.9); due > 0; due--) {
            // Floating point may put one on the other side of a whole number.
            assert.ok(Math.abs(schedule.take() - ms) <= 1);
            taken++;
          }
          assert.ok(Math.abs(taken - ((ms + 1) * rate) / 1_000) <= 1);
        }
        assert.equal(taken, schedule.total);
        assert.equal(schedule.due(10 * durationMs), 0, 'nothing is due after its end');
      },
    ),
  );
});

test('what was due while nobody looked is due with its own time', () => {
  const schedule = new Schedule(1_000, 100);
  assert.equal(schedule.due(49), 50);
  assert.deepEqual(
    Array.from({ length: 50 }, () => schedule.take()),
    Array.from({ length: 50 }, (_, ms) => ms),
  );
});
