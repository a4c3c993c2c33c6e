import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HedgeBudget } from '../../../../src/coordinator/hedge-budget.ts';

/** After a quiet time. */
const SAVED = 50;
const RESERVED = 10;

function spendAll(budget: HedgeBudget, isUrgent = true): number {
  let spent = 0;
  while (budget.spend(isUrgent)) spent++;
  return spent;
}

test('there are never more hedges than the share of the reads, and what is saved', () => {
  const steps = fc.array(fc.constantFrom('read', 'late', 'urgent'), { maxLength: 2_000 });
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 0.05, 0.5, 1), (all, share) => {
      const budget = new HedgeBudget(share);
      let reads = 0;
      let hedges = 0;
      for (const one of all) {
        if (one === 'read') {
          budget.earn();
          reads++;
        } else if (budget.spend(one === 'urgent')) hedges++;
      }
      assert.ok(hedges <= (share === 0 ? 0 : SAVED) + share * reads);
    }),
  );
});

test('used up, it comes back with reads, and saves only so much', () => {
  const budget = new HedgeBudget(0.05);
  assert.equal(spendAll(budget), SAVED);
  for (let i = 0; i < 19; i++) budget.earn();
  assert.equal(budget.spend(true), false);
  budget.earn();
  budget.earn();
  assert.equal(spendAll(budget), 1);
  for (let i = 0; i < 10_000; i++) budget.earn();
  assert.equal(spendAll(budget), SAVED);
});

test('reads that are late leave some of it to those that have little time left, who have the first of what is earned', () => {
  const budget = new HedgeBudget(0.5);
  assert.equal(spendAll(budget, false), SAVED - RESERVED);
  assert.equal(spendAll(budget, true), RESERVED);
  for (let i = 0; i < 2 * RESERVED; i++) budget.earn();
  assert.equal(budget.spend(false), false);
  assert.equal(spendAll(budget, true), RESERVED);
});
