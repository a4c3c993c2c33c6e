/** What `npm run fuzz` does for long: calls of all kinds, many at once, to an engine with its real threads. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fuzzEngine } from '../../support/engine-fuzz.ts';

test('every answer of many calls at once is one that their order allows', { timeout: 240_000 }, async (t) => {
  const seed = Math.floor(performance.timeOrigin) & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'native-free-lsm-fuzz-'));
  try {
    // On a busy machine a thread may take a second to start.
    for (let round = 0, isTried = false; !isTried; round++) {
      const { scans, writes } = await fuzzEngine({ directory, seed: seed + round, durationMs: 1500 });
      isTried = writes > 0 && scans > 0;
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
