/**
 * The engine against a sorted map: random operations over random configurations must give what the map gives (idea:
 * pebble's metamorphic tests). `npm run model` looks longer. A failure prints seed, path and the smallest case:
 * MODEL_SEED and MODEL_PATH repeat it, or MODEL_SLOT_SEED and MODEL_SLOT_PATH the one about slots.
 */
import { test } from 'node:test';
import type { EngineOptions } from '../../../native-free-lsm/index.ts';
import { checkModel, checkSlotModel } from '../../support/engine-model-check.ts';
import type { Operation } from '../../support/engine-model-operations.ts';
import { ModelRun } from '../../support/engine-model-run.ts';

const RUNS = Number(process.env.MODEL_RUNS ?? 30);

test('random operations over random configurations give what a sorted map gives', async (t) => {
  const seed = Number(process.env.MODEL_SEED ?? Math.floor(performance.timeOrigin) & 0x7fff_ffff);
  t.diagnostic(`seed ${seed}`);
  await checkModel({ runs: RUNS, seed, path: process.env.MODEL_PATH });
});

test('what the engine says of slots is what the map has, whatever it has kept of them', async (t) => {
  const seed = Number(process.env.MODEL_SLOT_SEED ?? Math.floor(performance.timeOrigin) & 0x7fff_ffff);
  t.diagnostic(`seed ${seed}`);
  await checkSlotModel({ runs: Math.ceil(RUNS / 2), seed, path: process.env.MODEL_SLOT_PATH });
});

/** Few places for memtables, and tables that fill level 0 at once. */
const TIGHT: Partial<EngineOptions> = {
  maxRecordBytes: 16 << 10,
  memtableBytes: 64 << 10,
  maxSealedMemtables: 1,
  writeStallTimeoutMs: 60_000,
  blockSizeBytes: 64,
  bottomBlockSizeBytes: 64,
  bottomCompression: 'none',
  restartInterval: 1,
  bloomBitsPerKey: 0,
  targetFileBytes: 4 << 10,
  l0CompactionTables: 1,
  baseLevelBytes: 4 << 10,
  levelMultiplier: 2,
  maxCompactionBytes: 32 << 10,
  maxBackgroundJobs: 1,
  dropTombstonesBelow: 0,
};

test('a fault of old: a close waited for a memtable that nobody would give out any more', async () => {
  const operations: Operation[] = [
    { type: 'burst', count: 1, first: 0, size: 0 },
    { type: 'crash', stop: 'kill', seed: 0 },
    { type: 'burst', count: 55, first: 0, size: 1834 },
    { type: 'flush' },
    { type: 'flush' },
    { type: 'burst', count: 1, first: 0, size: 0 },
    { type: 'reopen' },
    { type: 'delete', key: 0 },
  ];
  await ModelRun.check({ ...TIGHT, durability: 'sync' }, 20, operations);
});

test('a fault of old: a flush waited for a memtable that no thread reported as free', async () => {
  const operations: Operation[] = [
    { type: 'crash', stop: 'kill', seed: 0 },
    { type: 'reopen' },
    { type: 'reopen' },
    { type: 'versions', items: [{ key: 0, size: -1, fill: 0, age: 0, days: 0 }] },
    { type: 'flush' },
    { type: 'pass', days: 1 },
  ];
  await ModelRun.check({ ...TIGHT, durability: 'interval' }, 3, operations);
});
