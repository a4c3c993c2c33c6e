import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RefusalMemo } from '../../../../src/rpc/refusal-memo.ts';

test('a reason is news once a node, and again when another came between, or the node was taken', () => {
  const memo = new RefusalMemo();
  assert.deepEqual(
    ['x', 'x', 'y', 'x', 'x'].map((reason) => memo.isNews('n1', reason)),
    [true, false, true, true, false],
  );
  assert.equal(memo.isNews('n2', 'x'), true);
  memo.forget('n1');
  assert.equal(memo.isNews('n1', 'x'), true);
});

test('of any number of nodes only so many are kept', () => {
  const memo = new RefusalMemo();
  for (let i = 0; i < 10_000; i++) assert.equal(memo.isNews(`n${i}`, 'x'), true);
  assert.equal(memo.isNews('n9999', 'x'), false);
  assert.equal(memo.isNews('n0', 'x'), true, 'long forgotten');
});
