import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../../native-free-lsm/memtable/arena-layout.ts';
import { Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../support/hash-flood.ts';
import { runThread, STRESS } from './thread.ts';

test('two threads read a memtable while a third fills it', { timeout: 240_000 * STRESS }, async (t) => {
  const arena = createArena(16 << 20, HASH_SEED);
  const memtable = new Memtable(arena);
  for (let round = 0; round < STRESS; round++) {
    memtable.reset(round + 1);
    const run = { arena, control: new SharedArrayBuffer(64), keys: 40_000, seed: round };
    const [written, ...readers] = await Promise.all([
      runThread<number>(t, './memtable-writer.ts', run),
      runThread<{ finds: number; scans: number }>(t, './memtable-reader.ts', { ...run, seed: round + 1000 }),
      runThread<{ finds: number; scans: number }>(t, './memtable-reader.ts', { ...run, seed: round + 2000 }),
    ]);
    assert.equal(memtable.entries, written);
    assert.ok(written > 50_000);
    for (const { finds, scans } of readers) assert.ok(finds > 0 && scans > 0);
    t.diagnostic(
      `${written} written; ${readers.map(({ finds, scans }) => `${finds} finds, ${scans} scans`).join('; ')}`,
    );
  }
});
