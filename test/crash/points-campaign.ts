/**
 * `npm run crash:points -- --rounds 20 [--seed N]`: a round is one seed. It stops the engine at every call to the
 * file system of a run for each durability, fails every call with each error, alone and several in a row, stops
 * and fails every call of openings, and stops a whole node at every call from its first start to its drain. A round
 * that finds something prints the `--seed` that repeats it.
 */
import type { Durability, EngineOptions } from '../../native-free-lsm/index.ts';
import { seededRandom } from '../../src/clock.ts';
import { CampaignProgress } from '../support/campaign-progress.ts';
import { checkCrashes } from '../support/engine-crash.ts';
import { checkFailure, FAILURE_CODES, type FailureCheck } from '../support/engine-failures.ts';
import { checkRecovery } from '../support/engine-recovery.ts';
import { checkNodeCrashes } from '../support/node-crash.ts';
import { checkFailingStarts } from '../support/node-failures.ts';
import { count, newSeed, script, seedOption } from '../support/script-flags.ts';

const STEPS = 60;
const NODE_WRITES = 30;
/** Passes over the same run, so that not all of its disks are in memory at once. */
const PASSES = 7;
const DURABILITIES = ['sync', 'interval', 'none'] satisfies Durability[];
const FAILURES = [
  ...FAILURE_CODES.map((code) => ({ code, burst: 1, alike: 0 })),
  ...FAILURE_CODES.map((code) => ({ code, burst: 1, alike: 3 })),
  { code: 'EIO', burst: 2, alike: 0 },
  { code: 'EIO', burst: 5, alike: 0 },
  { code: 'ENOSPC', burst: 4, alike: 0 },
] as const;

const MAX_SEED = 999_999;
const flags = script(
  'crash:points',
  'Stops the engine at every call to the file system, loses or tears what was not synced, fails every call with each error, and stops a whole node at every call. A round is one seed and takes from one minute to ten.',
)
  .option('--rounds <n>', 'seeds, one after another', count, 20)
  .addOption(seedOption(MAX_SEED))
  .parse()
  .opts<{ rounds: number; seed?: number }>();
const { rounds, seed: firstSeed = newSeed(MAX_SEED) } = flags;
console.log(`seed ${firstSeed}, ${rounds} rounds`);
let moments = 0;
for (let seed = firstSeed; seed < firstSeed + rounds; seed++) {
  try {
    await round(seed);
  } catch (error) {
    console.error(`\nfound with --rounds 1 --seed ${seed}`);
    throw error;
  }
}
console.log(`${rounds} rounds, ${moments} stops and failures, nothing found`);

async function round(seed: number): Promise<void> {
  const parts: { readonly name: string; readonly run: () => Promise<number> }[] = [];
  const shape = optionsOf(seed);
  const backgroundDelayMs = [0, 4, 30][seed % 3];
  for (const durability of DURABILITIES) {
    const options = { ...shape, durability };
    for (let offset = 0; offset < PASSES; offset++) {
      const run = { seed, steps: STEPS, isOfEveryKind: seed % 2 === 0 };
      const check = { ...run, every: PASSES, offset, stopsAtOnce: 3, options, backgroundDelayMs };
      parts.push({
        name: `stops, ${durability}`,
        run: async () => (await checkCrashes(check)).moments,
      });
    }
    parts.push({
      name: `openings, ${durability}`,
      run: async () => (await checkRecovery({ seed, steps: STEPS, remains: 3, every: 11, options })).moments,
    });
  }
  for (const failure of FAILURES) {
    for (let offset = 0; offset < PASSES; offset++)
      parts.push({
        name: `${failure.code}, in a row: ${failure.burst}, alike: ${failure.alike}`,
        run: () => failures({ seed, ...failure, options: shape, backgroundDelayMs }, offset),
      });
  }
  for (let offset = 0; offset < PASSES; offset++)
    parts.push({
      name: 'stops of a whole node',
      run: async () => (await checkNodeCrashes({ seed, writes: NODE_WRITES, every: PASSES, offset })).moments,
    });
  for (const code of FAILURE_CODES)
    parts.push({
      name: `${code}, starts of a whole node`,
      run: () => checkFailingStarts({ code, writes: 1 + (seed % 10), every: 1 }),
    });
  using progress = new CampaignProgress(parts.length);
  for (const { name, run } of parts) {
    moments += await run();
    progress.step(`seed ${seed}, ${name}; ${moments} stops and failures so far`);
  }
}

async function failures(shape: Omit<FailureCheck, 'failAt' | 'steps'>, offset: number): Promise<number> {
  const check = { ...shape, steps: STEPS / 2 };
  const { length } = await checkFailure({ ...check, failAt: -1 });
  let looked = 0;
  for (let failAt = offset; failAt < length; failAt += PASSES, looked++)
    await checkFailure({ ...check, failAt });
  return looked;
}

/** Every round has another shape of tree. */
function optionsOf(seed: number): Partial<EngineOptions> {
  const random = seededRandom(seed);
  const oneOf = <T>(...all: readonly T[]): T => all[Math.floor(random() * all.length)];
  return {
    memtableBytes: oneOf(64 << 10, 80 << 10, 160 << 10),
    maxSealedMemtables: oneOf(1, 2, 3),
    targetFileBytes: oneOf(4 << 10, 8 << 10, 32 << 10),
    l0CompactionTables: oneOf(1, 2, 4),
    baseLevelBytes: oneOf(4 << 10, 16 << 10),
    levelMultiplier: oneOf(2, 4),
    maxBackgroundJobs: oneOf(1, 2, 3),
    bottomCompression: oneOf('none', 'lz4', 'zstd'),
    syncIntervalMs: oneOf(5, 50, 100),
    blockCacheBytes: oneOf(0, 64 << 10),
    compression: oneOf('none', 'lz4'),
    // With one thread main syncs the log, while it grows and when it ends.
    singleThread: oneOf(null, true),
  };
}
