/**
 * A node's machine stops at any call to the file system, of its identity or its engine, from the first start to the
 * drain. `npm run crash:points` looks at every call of longer runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileSystemOperation } from '../../native-free-lsm/simulation/index.ts';
import { checkNodeCrashes } from '../support/node-crash.ts';
import { checkFailingStarts } from '../support/node-failures.ts';

test('a node stopped at any call of its life comes up whole, as itself, and with all that it acknowledged', async () => {
  const { calls, moments } = await checkNodeCrashes({ seed: 5, writes: 16, every: 8, offset: 2 });
  assert.ok(moments > 15, `${moments} moments of ${calls} calls`);
});

for (const [operation, path] of [
  ['fdatasync', /IDENTITY/],
  ['syncDirectory', /\/n0$/],
  ['fdatasync', /engine.*\.log$/],
] as const satisfies readonly (readonly [FileSystemOperation, RegExp])[]) {
  test(`a node that leaves out a ${operation} of ${path.source} is found out`, async () => {
    const fault = (call: { operation: FileSystemOperation; path: string }) =>
      call.operation === operation && path.test(call.path) ? 'skip' : undefined;
    const found = checkNodeCrashes({ seed: 5, writes: 6, every: 1, offset: 0, fault });
    await assert.rejects(found, /power lost/);
  });
}

test('a start of which a call fails says so or serves, and the next one finds everything', async () => {
  const first = await checkFailingStarts({ code: 'EIO', writes: 0, every: 2 });
  const later = await checkFailingStarts({ code: 'EMFILE', writes: 6, every: 3 });
  assert.ok(first > 10 && later > 10, `${first} and ${later} starts`);
});
