/** What `npm run fuzz` does for long: calls of all kinds, many at once, to an engine with its real threads. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fuzzEngine } from '../../support/engine-fuzz.ts';

test('every answer of many calls at once is one that their order allows', async (t) => {
  const seed = Math.floor(performance.timeOrigin) & 0x7fff_ffff;
  t.diagnostic(`seed ${seed}`);
  const directory = mkdtempSync(join(tmpdir(), 'native-free-lsm-fuzz-'));
  try {
    const counts = await fuzzEngine({ directory, seed, durationMs: 1500 });
    assert.ok(counts.writes > 0 && counts.scans > 0, JSON.stringify(counts));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
