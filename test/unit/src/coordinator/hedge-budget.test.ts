import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HedgeBudget } from '../../../../src/coordinator/hedge-budget.ts';

/** After a quiet time. */
const SAVED = 50;

function spendAll(budget: HedgeBudget): number {
  let spent = 0;
  while (budget.spend()) spent++;
  return spent;
}

test('there are never more hedges than the share of the reads, and what is saved', () => {
  const steps = fc.array(fc.boolean(), { maxLength: 2_000 });
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 0.05, 0.5, 1), (isRead, share) => {
      const budget = new HedgeBudget(share);
      let reads = 0;
      let hedges = 0;
      for (const one of isRead) {
        if (one) {
          budget.earn();
          reads++;
        } else if (budget.spend()) hedges++;
      }
      assert.ok(hedges <= (share === 0 ? 0 : SAVED) + share * reads);
    }),
  );
});

test('used up, it comes back with reads, and saves only so much', () => {
  const budget = new HedgeBudget(0.05);
  assert.equal(spendAll(budget), SAVED);
  for (let i = 0; i < 19; i++) budget.earn();
  assert.equal(budget.spend(), false);
  budget.earn();
  budget.earn();
  assert.equal(spendAll(budget), 1);
  for (let i = 0; i < 10_000; i++) budget.earn();
  assert.equal(spendAll(budget), SAVED);
});
