import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteBudget } from '../../../../src/coordinator/byte-budget.ts';

test('bytes are reserved up to the bound, and again when they are given back', () => {
  const budget = new ByteBudget(100);
  assert.ok(budget.reserve(60));
  assert.ok(budget.reserve(40));
  assert.ok(!budget.reserve(1));
  budget.release(40);
  assert.ok(budget.reserve(40));
  assert.equal(budget.heldBytes, 100);
});

test('a single one has room, however large, but nothing beside it', () => {
  const budget = new ByteBudget(100);
  assert.ok(budget.reserve(1000));
  assert.ok(!budget.reserve(1));
  budget.release(1000);
  assert.ok(budget.reserve(100));
});
