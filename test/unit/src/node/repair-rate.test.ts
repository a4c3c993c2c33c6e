import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repairThrottles } from '../../../../src/node/repair-rate.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const MIB = 2 ** 20;

test('a rate that is set bounds repair and refilling together', () => {
  const { repair, refill } = repairThrottles(new FakeClock(), MIB);
  refill.take(10 * MIB);
  assert.ok(repair.waitMs > 9_000);
});

test('without one, repair has a bound of its own, and refilling none', () => {
  const { repair, refill } = repairThrottles(new FakeClock(), 0);
  refill.take(1_000 * MIB);
  assert.deepEqual([repair.waitMs, refill.waitMs], [0, 0]);
  repair.take(160 * MIB);
  assert.ok(repair.waitMs > 9_000 && repair.waitMs <= 10_000);
});
