import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitSiteTreeOf, waitTreeOf } from '../../../../../../src/cli/profile/view/wait-tree.ts';
import { oneThread } from '../../../../../support/profile-by-hand.ts';
import { stackLines } from '../../../../../support/stack-lines.ts';

const SYNC = {
  path: ['disk', 'fdatasync'],
  isIdle: false,
  count: 5,
  totalMs: 20,
  // Four below 1024 us, one below 4096 us: as long together.
  buckets: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1],
};
const IDLE = { path: ['ring', 'empty'], isIdle: true, count: 1, totalMs: 1_000, buckets: [1] };

test('waits are shown by thread, place and length, and those of threads with nothing to do are left out', () => {
  const tree = waitTreeOf(oneThread({ waits: [SYNC, IDLE] }, 'writer'));
  assert.deepEqual(stackLines(tree), [
    'node-1 > writer > disk > fdatasync > 2 ms to 4 ms 10',
    'node-1 > writer > disk > fdatasync > 512 µs to 1 ms 10',
  ]);
  assert.equal(tree.total, 20);
});

test('for a comparison a place is one frame', () => {
  assert.deepEqual(stackLines(waitSiteTreeOf(oneThread({ waits: [SYNC, IDLE] }, 'writer'))), [
    'node-1 > writer > disk › fdatasync 20',
  ]);
});

test('a place without waits, and a thread without places, weigh nothing', () => {
  const none = { ...SYNC, count: 0, totalMs: 0, buckets: [0, 0] };
  assert.equal(waitTreeOf(oneThread({ waits: [none] })).total, 0);
  assert.equal(waitTreeOf(oneThread({})).total, 0);
});
