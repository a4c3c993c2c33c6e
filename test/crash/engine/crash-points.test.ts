/**
 * Power is lost at any call to the file system: everything acknowledged is there after the next start, nothing
 * invented. CRASH_ROUNDS=50 looks at fifty seeds and at every call of each.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCrashes } from '../../support/engine-crash.ts';

const rounds = Number(process.env.CRASH_ROUNDS ?? 0);

test('a crash at any call keeps what was acknowledged and invents nothing', async () => {
  let moments = 0;
  if (rounds === 0) {
    for (const seed of [1, 2, 3])
      moments += await checkCrashes({ seed, steps: 120, every: 11, offset: seed });
  }
  for (let seed = 1; seed <= rounds; seed++) {
    // Passes over the same run, so that not all of its disks are in memory at once.
    for (let offset = 0; offset < 11; offset++) {
      moments += await checkCrashes({ seed: 100 + seed, steps: 120, every: 11, offset });
    }
  }
  assert.ok(moments > 300, `${moments} moments`);
});
