import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Frame,
  FrameKind,
  functionFrame,
  groupFrame,
} from '../../../../../../src/cli/profile/view/frame.ts';
import { FrameTree } from '../../../../../../src/cli/profile/view/frame-tree.ts';
import { functionsOf, shareOf } from '../../../../../../src/cli/profile/view/functions.ts';
import { callFrame } from '../../../../../support/profile-by-hand.ts';

const at = (text: string): Frame => functionFrame(callFrame(text));

test('a function counts once for a stack in which it calls itself', () => {
  const tree = new FrameTree(groupFrame('all'));
  const f = at('f@/q/src/a.ts:3');
  tree.add([groupFrame('main'), f, at('g@/q/src/a.ts:9'), f], 10);
  tree.add([groupFrame('main'), f], 1);
  tree.add([groupFrame('writer'), at('f@/q/src/a.ts:4')], 2);
  const functions = functionsOf(tree);
  assert.deepEqual([...functions.keys()], ['f src/a.ts', 'g src/a.ts']);
  assert.deepEqual(functions.get('f src/a.ts'), { name: 'f src/a.ts', kind: 'own', self: 13, total: 13 });
  assert.deepEqual(functions.get('g src/a.ts'), { name: 'g src/a.ts', kind: 'own', self: 0, total: 10 });
});

test('frames are named by what they are and where they stand in the project', () => {
  for (const [text, name, kind] of [
    [
      'read@file:///a/b/native-free-lsm/store/store.ts:8',
      'read native-free-lsm/store/store.ts:8',
      FrameKind.own,
    ],
    ['f@/a/src/b/node_modules/c/node_modules/d/e.js:1', 'f node_modules/d/e.js:1', FrameKind.library],
    ['emit@node:events:1', 'emit node:events:1', FrameKind.runtime],
    ['writev', 'writev [native]', FrameKind.native],
    ['(program)', '(program)', FrameKind.native],
    ['', '(anonymous) [native]', FrameKind.native],
    ['x@/elsewhere/file.mjs:2', 'x /elsewhere/file.mjs:2', FrameKind.own],
  ] as const) {
    const frame = at(text);
    assert.deepEqual([frame.name, frame.kind], [name, kind]);
  }
});

test('the share of a kind counts what it called', () => {
  const tree = new FrameTree(groupFrame('all'));
  tree.add([at('f@/q/src/a.ts:3'), at('writev')], 30);
  tree.add([at('emit@node:events:1')], 10);
  assert.equal(shareOf(tree, FrameKind.own), 0.75);
  assert.equal(shareOf(tree, FrameKind.native), 0.75);
  assert.equal(shareOf(new FrameTree(groupFrame('none')), FrameKind.own), 0);
});
