import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makePlan } from '../../../../src/simulation/plan/make-plan.ts';
import type { Plan } from '../../../../src/simulation/plan/plan.ts';
import { idsOf, only, shrink } from '../../../../src/simulation/shrink.ts';

const NEEDED = ['f1', 'r7', 'r20'];
const PLAN = planWith(2);

function planWith(faults: number): Plan {
  for (let seed = 1; ; seed++) {
    const plan = makePlan(seed);
    if (plan.faults.length >= faults && plan.requests.length > 30) return plan;
  }
}

function has(plan: Plan, ids: readonly string[]): boolean {
  const there = idsOf(plan);
  return ids.every((id) => there.includes(id));
}

test('what is needed is all that stays', async () => {
  const shrunk = await shrink(PLAN, async (plan) => has(plan, NEEDED), 10_000);
  assert.deepEqual(idsOf(shrunk), NEEDED);
  assert.deepEqual(shrunk, only(PLAN, new Set(NEEDED)), 'at its old times');
});

test('it ends after as many runs as it may make, with what it has found', async () => {
  let runs = 0;
  const breaksStill = async (plan: Plan): Promise<boolean> => {
    runs++;
    return has(plan, NEEDED);
  };
  const shrunk = await shrink(PLAN, breaksStill, 5);
  assert.equal(runs, 5);
  assert.ok(has(shrunk, NEEDED));
});

test('a plan of a seed is the same each time, and each event in it has an id of its own', () => {
  assert.deepEqual(makePlan(5), makePlan(5));
  const ids = idsOf(PLAN);
  assert.equal(new Set(ids).size, ids.length);
});
