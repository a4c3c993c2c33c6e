/**
 * The crash check must fail when the engine is made unsafe: each fault turns into a no-op what a promise of the
 * engine rests on. Without it the same check passes, so it is the fault that is found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CallHook } from '../../../native-free-lsm/fs/memory-fs.ts';
import { checkCrashes } from '../../support/engine-crash.ts';

const RUN = { seed: 5, steps: 60, every: 9, offset: 4 };

const FAULTS: Readonly<Record<string, CallHook>> = {
  'a data sync that does nothing': ({ operation }) => (operation === 'fdatasync' ? 'skip' : undefined),
  'a sync of the directory that does nothing': ({ operation }) =>
    operation === 'syncDirectory' ? 'skip' : undefined,
  'acknowledging what is not in the log': ({ operation, path }) =>
    operation === 'write' && path.endsWith('.log') ? 'skip' : undefined,
};

test('without a fault the check passes', async () => {
  assert.ok((await checkCrashes(RUN)) > 50);
});

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`${name} is noticed`, async () => {
    await assert.rejects(checkCrashes({ ...RUN, fault }), {
      message: /^power lost before call \d+, .*(and is lost|is damaged|is missing)/,
    });
  });
}
