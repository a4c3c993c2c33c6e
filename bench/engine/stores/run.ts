/**
 * `npm run bench:stores`: db_bench's rows of this engine and of others that a Node program can have, in turns. The method
 * is in bench/README.md.
 */
import os from 'node:os';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { count, positive, script } from '../../../test/support/script-flags.ts';
import { writeBenchFile } from '../../support/bench-file.ts';
import { endAllBound } from '../../support/bound-child.ts';
import { benchRows, describeResults } from './describe.ts';
import { installedStores } from './installed.ts';
import { writePlots } from './plots.ts';
import { isReached, verdictsOf } from './results.ts';
import { StoreRounds } from './rounds.ts';
import { ROWS, type RowName } from './rows.ts';
import { STORE_NAMES, type StoreName } from './store.ts';

const UNITS: Readonly<Record<string, number>> = { k: 1000, m: 1_000_000 };

interface Flags {
  readonly list?: true;
  readonly entries?: number;
  readonly only?: readonly RowName[];
  readonly stores?: readonly StoreName[];
  readonly quick: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly built: boolean;
  readonly data: string;
  readonly json?: string;
  readonly plots?: string;
}

const flags = script(
  'bench:stores',
  "db_bench's rows for native-free-lsm, classic-level (LevelDB), lmdb, node:sqlite and RocksDB, in turns: throughput, CPU time, loop delay, memory, and bytes written and on disk, each beside what ours is to reach. The others are native addons that only the benchmarks have: `npm ci --prefix bench` installs them.",
)
  .option('--list', 'names the rows')
  .option(
    '--entries <n>',
    'keys of 16 bytes with values of 100 bytes: 100k, 1M, 10M (1M; quick: 20k)',
    entriesOf,
  )
  .option('--only <rows>', 'just these, separated by commas; what they need is done as well', rowsOf)
  .option('--stores <names>', 'just these, separated by commas', storesOf)
  .option('--quick', 'few entries and short runs: tries the harness, its figures mean nothing', false)
  .option('--seconds <n>', 'of each way of a row that runs for a time (1; quick: 0.1)', positive)
  .option('--rounds <n>', 'the first tries every way, the others the fastest (2; quick: 1)', count)
  .option('--built', 'the compiled package (npm run build) instead of the sources', false)
  .option('--data <dir>', 'where the folder of a run is made, which is removed at its end', os.tmpdir())
  .option('--json <file>', 'writes the figures there as well')
  .option('--plots <dir>', 'draws them there, as SVG')
  .parse()
  .opts<Flags>();

function entriesOf(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([km]?)$/i.exec(text) ?? [];
  const entries = Number(digits) * (UNITS[unit?.toLowerCase()] ?? 1);
  if (!(entries >= 1000 && entries <= 1e9))
    throw new InvalidArgumentError('Give a number of at least 1000, for example 1M.');
  return entries;
}

function rowsOf(names: string): readonly RowName[] {
  return namesOf(
    names,
    ROWS.map(({ name }) => name),
  );
}

function storesOf(names: string): readonly StoreName[] {
  return namesOf(names, STORE_NAMES);
}

function namesOf<Name extends string>(names: string, known: readonly Name[]): readonly Name[] {
  const wanted = names.split(',').map((name) => name.trim());
  for (const name of wanted) {
    if (!known.includes(name as Name))
      throw new InvalidArgumentError(`There is no ${name}: ${known.join(', ')}.`);
  }
  return known.filter((name) => wanted.includes(name));
}

async function main(): Promise<void> {
  const { built: isBuilt, data, json, plots, quick } = flags;
  const stores = await installedStores(flags.stores ?? STORE_NAMES, flags.stores !== undefined);
  const rows = flags.only ?? ROWS.map(({ name }) => name);
  const entries = flags.entries ?? (quick ? 20_000 : 1_000_000);
  const rounds = flags.rounds ?? (quick ? 1 : 2);
  const seconds = flags.seconds ?? (quick ? 0.1 : 1);
  const machine = `${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, Node ${process.version}`;
  console.log(`${entries.toLocaleString('en')} entries of 16 + 100 bytes, ${rounds} rounds; ${machine}`);
  using runs = new StoreRounds({ stores, rows, entries, seconds, isBuilt, data: resolve(data) });
  const stop = (): void => {
    void endAllBound().finally(() => {
      runs[Symbol.dispose]();
      process.exit(130);
    });
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  for (let round = 1; round <= rounds; round++) await runs.run(round);
  const { results } = runs;
  const verdicts = verdictsOf(results);
  console.log(describeResults(results, rows, stores, verdicts));
  if (json !== undefined) writeBenchFile(json, benchRows(results, rows, stores));
  if (plots !== undefined) writePlots(resolve(plots), results, rows, stores);
  // A few thousand entries say nothing of bounds.
  if (!quick && !verdicts.every(isReached)) process.exitCode = 1;
}

try {
  if (flags.list) for (const { name, title } of ROWS) console.log(`${name.padEnd(18)} ${title}`);
  else await main();
} catch (error) {
  console.error(`bench:stores: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
