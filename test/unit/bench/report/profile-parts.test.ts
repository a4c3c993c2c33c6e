import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PART_NAMES, partsOf } from '../../../../bench/report/profile-parts.ts';
import {
  type Frame,
  type FrameKind,
  groupFrame,
  kernelFrame,
} from '../../../../src/cli/profile/view/frame.ts';
import { FrameTree } from '../../../../src/cli/profile/view/frame-tree.ts';

function frame(steadyName: string, kind: FrameKind): Frame {
  return { name: `${steadyName}:7`, steadyName, kind };
}

test('CPU time is divided among the parts, wherever a function was called from', () => {
  const tree = new FrameTree(groupFrame('all nodes'));
  const onRead = frame('onread node:internal/stream_base_commons', 'runtime');
  for (const [stack, ms] of [
    [[onRead], 5],
    [[onRead, frame('handle src/http/router.ts', 'own')], 8],
    [[onRead, frame('enter src/admission/waiting-line.ts', 'own')], 2],
    [[frame('ask src/rpc/peer.ts', 'own'), kernelFrame('socket write')], 20],
    [[frame('add src/coordinator/response-accumulator.ts', 'own')], 10],
    [[frame('append native-free-lsm/log/writer.ts', 'own'), kernelFrame('file fdatasync')], 15],
    [[frame('append native-free-lsm/log/writer.ts', 'own')], 4],
    [[frame('pack node_modules/msgpackr/pack.js', 'library')], 6],
    [[frame('(event loop)', 'native'), kernelFrame('socket reads and polling')], 10],
    [
      [frame('wait native-free-lsm/shared/ring.ts', 'own'), kernelFrame('waits, wake-ups and page faults')],
      3,
    ],
    [[frame('(garbage collector)', 'native')], 7],
    [[frame('parse [native]', 'native')], 10],
  ] as const)
    tree.add([groupFrame('node-1'), groupFrame('main'), ...stack], ms);
  const percent = Object.entries(partsOf(tree)).map(([name, share]) => [name, Math.round(share * 100)]);
  assert.deepEqual(Object.fromEntries(percent), {
    socketWriteShare: 20,
    socketReadShare: 10,
    diskCallsShare: 15,
    otherKernelShare: 3,
    engineShare: 4,
    httpShare: 10,
    rpcShare: 0,
    coordinatorShare: 10,
    gcShare: 7,
    nodeShare: 5,
    packagesShare: 6,
    nativeShare: 10,
  });
});

test('of nothing, no part has any', () => {
  const parts = partsOf(new FrameTree(groupFrame('all nodes')));
  assert.deepEqual(Object.keys(parts), PART_NAMES);
  assert.deepEqual(new Set(Object.values(parts)), new Set([0]));
});
