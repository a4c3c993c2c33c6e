import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapTreeOf } from '../../../../../../src/cli/profile/view/heap-tree.ts';
import { heapNode, oneThread } from '../../../../../support/profile-by-hand.ts';
import { stackLines } from '../../../../../support/stack-lines.ts';

test('what was allocated is shown by node, thread and function', () => {
  const head = heapNode('(root)', 0, [
    heapNode('encode@/q/src/rpc/codec.ts:5', 64, [heapNode('bind', 32), heapNode('unused', 0)]),
    heapNode('(V8 API)', 8),
  ]);
  const tree = heapTreeOf(oneThread({ heap: { head, samples: [] } }, 'writer'));
  assert.deepEqual(stackLines(tree), [
    'node-1 > writer > (V8 API) 8',
    'node-1 > writer > encode src/rpc/codec.ts:5 64',
    'node-1 > writer > encode src/rpc/codec.ts:5 > bind [native] 32',
  ]);
  assert.equal(tree.total, 104);
  assert.equal(heapTreeOf(oneThread({})).total, 0);
});
