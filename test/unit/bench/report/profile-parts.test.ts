import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PART_NAMES, partsOf } from '../../../../bench/report/profile-parts.ts';

function frame(id: number, functionName: string, url: string) {
  return { id, callFrame: { functionName, scriptId: 0, url, lineNumber: 1, columnNumber: 1 } };
}

const PROFILE = {
  startTime: 0,
  endTime: 100,
  nodes: [
    frame(1, '(root)', ''),
    frame(2, '(idle)', ''),
    frame(3, 'append', 'file:///x/native-free-lsm/log/writer.ts'),
    frame(4, 'handle', 'file:///x/src/http/router.ts'),
    frame(5, 'add', 'file:///x/src/coordinator/response-accumulator.ts'),
    frame(6, 'pack', 'file:///x/node_modules/msgpackr/pack.js'),
    frame(7, 'onread', 'node:internal/stream_base_commons'),
    frame(8, 'writev', ''),
    frame(9, '(garbage collector)', ''),
    frame(10, '(program)', ''),
  ],
};

test('the busy time of a thread is divided among the parts, by the time until the next sample', () => {
  const parts = partsOf({
    ...PROFILE,
    samples: [2, 3, 4, 5, 6, 7, 8, 9, 10, 2],
    timeDeltas: [5, 900, 10, 20, 30, 5, 5, 10, 15, 5],
  });
  const measured = Object.fromEntries(
    Object.entries(parts).map(([name, share]) => [name, Math.round(share * 100)]),
  );
  assert.deepEqual(measured, {
    engineShare: 10,
    httpShare: 20,
    rpcShare: 0,
    coordinatorShare: 30,
    packagesShare: 5,
    nodeShare: 5,
    nativeShare: 10 + 5,
    gcShare: 15,
  });
});

test('a thread that was idle has no part of anything', () => {
  const parts = partsOf({ ...PROFILE, samples: [2, 2, 1], timeDeltas: [1, 1, 1] });
  assert.deepEqual(Object.keys(parts), PART_NAMES);
  assert.deepEqual(new Set(Object.values(parts)), new Set([0]));
});
