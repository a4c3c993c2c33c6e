import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type {
  NodeFiles,
  ProfileFolder,
  ProfileSummary,
} from '../../../../../../src/cli/profile/profile-folder.ts';
import { cpuTreeOf } from '../../../../../../src/cli/profile/view/cpu-tree.ts';
import { differenceOf } from '../../../../../../src/cli/profile/view/difference.ts';
import type { FrameTree } from '../../../../../../src/cli/profile/view/frame-tree.ts';
import {
  differenceGraphOf,
  type GraphNode,
  graphOf,
} from '../../../../../../src/cli/profile/view/graph-node.ts';
import { cpuProfile, oneThread } from '../../../../../support/profile-by-hand.ts';

function folder(nodes: NodeFiles[], requests: number): ProfileFolder {
  // Only what a difference reads.
  const summary = { kinds: ['cpu'], runs: [{ kind: 'cpu', requests }] } as unknown as ProfileSummary;
  return { summary, nodes };
}

function cpuFolder(
  requests: number,
  stacks: readonly (readonly [string, number])[],
  thread?: string,
): ProfileFolder {
  return folder(oneThread({ cpu: cpuProfile(stacks) }, thread), requests);
}

test('weights are those of a request, and a function that moved in its file is the same', () => {
  const before = cpuFolder(1_000, [
    ['f@/a/src/a.ts:3', 10],
    ['g@/a/src/a.ts:9', 5],
  ]);
  // Twice the requests, in another place.
  const after = cpuFolder(2_000, [
    ['f@/b/c/src/a.ts:30', 20],
    ['g@/b/c/src/a.ts:90', 4],
    ['h@/b/c/src/a.ts:99', 2],
  ]);
  const difference = differenceOf(before, after, 'cpu', 'request');
  assert.ok(difference !== undefined);
  assert.deepEqual([difference.unit, difference.before.total, difference.after.total], ['µs', 15, 13]);
  assert.deepEqual(
    difference.changes.map(({ name, selfAfter, selfBefore }) => [name, selfBefore, selfAfter]),
    [
      ['g src/a.ts', 5, 2],
      ['h src/a.ts', 0, 1],
    ],
  );
});

test('by share, weights are parts of the whole, whatever was requested', () => {
  const before = cpuFolder(0, [
    ['f@/a/src/a.ts:3', 10],
    ['g@/a/src/a.ts:9', 30],
  ]);
  const after = cpuFolder(7, [
    ['f@/a/src/a.ts:3', 200],
    ['g@/a/src/a.ts:9', 200],
  ]);
  const difference = differenceOf(before, after, 'cpu', 'share');
  assert.ok(difference !== undefined);
  assert.deepEqual([difference.unit, difference.before.total, difference.after.total], ['%', 100, 100]);
  assert.deepEqual(
    difference.changes.map(({ name, selfAfter, selfBefore }) => [name, selfBefore, selfAfter]),
    [
      ['f src/a.ts', 25, 50],
      ['g src/a.ts', 75, 50],
    ],
  );
  assert.equal(differenceOf(before, cpuFolder(7, []), 'cpu', 'share'), undefined);
});

test('a thread that only one side has is there, and the graph of each side says what has changed', () => {
  const before = cpuFolder(1_000, [['f@/a/src/a.ts:3', 10]], 'reader-1');
  const after = cpuFolder(1_000, [['f@/a/src/a.ts:3', 10]], 'reader-2');
  const difference = differenceOf(before, after, 'cpu', 'request');
  assert.ok(difference !== undefined);
  assert.deepEqual(difference.changes, []);
  const thread = (side: 'before' | 'after') =>
    differenceGraphOf(difference.before, difference.after, side).children[0].children[0];
  assert.deepEqual([thread('after').name, thread('after').delta], ['reader-2', 10]);
  assert.deepEqual([thread('before').name, thread('before').delta], ['reader-1', -10]);
});

test('what was not recorded, or without requests, cannot be compared', () => {
  const some = cpuFolder(10, [['f', 1]]);
  assert.equal(differenceOf(some, cpuFolder(0, [['f', 1]]), 'cpu', 'request'), undefined);
  assert.equal(differenceOf(some, some, 'heap', 'request'), undefined);
});

const frames = fc.constantFrom('a@/q/src/a.ts:1', 'b@/q/src/b.ts:2', 'writev', '(idle)', 'c@node:fs:1');
const stack = fc.oneof(
  fc.array(frames, { minLength: 1, maxLength: 6 }).map((all) => all.join(' > ')),
  fc.constant('(program)'),
);
const stacks = fc.array(fc.tuple(stack, fc.integer({ min: 1, max: 100 })), { minLength: 1, maxLength: 30 });

test('of any profile: no child weighs more than its parent, nothing is lost, and against itself nothing changes', () => {
  fc.assert(
    fc.property(
      stacks,
      fc.integer({ min: 0, max: 500 }),
      fc.integer({ min: 0, max: 500 }),
      (some, systemMs, userMs) => {
        const nodes = oneThread({ cpu: cpuProfile(some), sampledCpu: { systemMs, userMs } });
        const tree = cpuTreeOf(nodes);
        assert.ok(Math.abs(tree.total - (systemMs + userMs)) < 1e-6);
        const visit = (at: FrameTree): number => {
          const children = [...at.children].reduce((total, child) => total + visit(child), 0);
          assert.ok(Math.abs(at.self + children - at.total) < 1e-6);
          return at.total;
        };
        visit(tree);
        const one = folder(nodes, 100);
        const difference = differenceOf(one, one, 'cpu', 'request');
        assert.deepEqual(difference?.changes, []);
        const still = (node: GraphNode): boolean => node.delta === 0 && node.children.every(still);
        if (difference !== undefined)
          assert.ok(still(differenceGraphOf(difference.before, difference.after, 'after')));
      },
    ),
  );
});

test('a graph leaves out what nobody could see, and its parent keeps the weight', () => {
  const tree = cpuTreeOf(
    oneThread({
      cpu: cpuProfile([
        ['f@/q/src/a.ts:1', 100_000],
        ['f@/q/src/a.ts:1 > tiny@/q/src/a.ts:2', 1],
      ]),
    }),
  );
  const [thread] = graphOf(tree).children[0].children;
  assert.deepEqual(
    thread.children.map(({ children, name, value }) => [name, value, children.length]),
    [['f src/a.ts:1', 100_001, 0]],
  );
});
