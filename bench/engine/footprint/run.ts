/**
 * `npm run bench:footprint`: how much memory a program has at most that embeds the engine, with its defaults and with
 * small settings, beside the same program without an engine. The method is in bench/README.md.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EngineOptions } from '../../../native-free-lsm/index.ts';
import { count, script } from '../../../test/support/script-flags.ts';
import { table } from '../../micro/tables.ts';
import { describeFinding, type Finding, isReached, median } from '../figure.ts';
import type { FootprintTask } from './task.ts';

const PROCESS = fileURLToPath(new URL('./process.ts', import.meta.url));
const KIB = 1024;
const MIB = 1024 * KIB;

const MOST_BY_DEFAULTS_MIB = 250;
/** Above the same program without an engine, both by the flag below. */
const MOST_SMALL_MIB = 64;
/** As in the manual: V8's own setting for little memory, which is for the whole process. */
const FOR_SIZE = '--optimize-for-size';

/** As in the manual: "Little memory". */
const SMALL: Partial<EngineOptions> = {
  memtableBytes: MIB,
  maxRecordBytes: 128 * KIB,
  maxSealedMemtables: 1,
  blockCacheBytes: 2 * MIB,
  targetFileBytes: 4 * MIB,
  baseLevelBytes: 8 * MIB,
  maxCompactionBytes: 32 * MIB,
  singleThread: true,
};

interface Flags {
  readonly entries: number;
  readonly rounds: number;
  readonly built: boolean;
}

const flags = script(
  'bench:footprint',
  'The most memory that a program had resident which puts entries, puts them anew, gets each, reads all in order and opens its store again: with no engine, and with the engine by its defaults and by small settings.',
)
  .option('--entries <n>', 'keys of 16 bytes with values of 100 bytes', count, 1_000_000)
  .option('--rounds <n>', 'of which the medians are told', count, 3)
  .option('--built', 'the compiled package (npm run build) instead of the sources', false)
  .parse()
  .opts<Flags>();

/** What a process is to do. */
interface Setting {
  readonly name: string;
  readonly engine: FootprintTask['engine'];
  readonly options: FootprintTask['options'];
  /** For Node. */
  readonly execArgv?: string[];
}

function peakMib(
  { engine, execArgv = [], options }: Setting,
  entries: number,
  cache: string,
): Promise<number> {
  const directory = mkdtempSync(join(os.tmpdir(), 'quorate-footprint-'));
  const task: FootprintTask = { directory, entries, engine, options };
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  const child = fork(PROCESS, [JSON.stringify(task)], { env, execArgv });
  child.once('message', (mib) => resolve(mib as number));
  child.once('exit', (code) => {
    rmSync(directory, { recursive: true, force: true });
    reject(new Error(`a process ended with exit code ${code}`));
  });
  return promise;
}

/** @param cache where Node keeps this benchmark's code as it is without types, so that its processes load no compiler */
async function measure(cache: string): Promise<readonly Finding[]> {
  const { entries, rounds } = flags;
  const engine = flags.built ? 'built' : 'sources';
  const execArgv = [FOR_SIZE];
  const none: Setting = { name: 'no engine', engine: null, options: {} };
  const byDefaults: Setting = { name: 'defaults', engine, options: {} };
  const small: Setting = { name: 'small', engine, options: SMALL };
  const noneForSize: Setting = { ...none, name: `no engine, ${FOR_SIZE}`, execArgv };
  const smallForSize: Setting = { ...small, name: `small, ${FOR_SIZE}`, execArgv };
  // Each set of flags has its own code in the cache.
  for (const setting of [none, noneForSize]) await peakMib(setting, 1, cache);
  const settings = [none, byDefaults, small, noneForSize, smallForSize];
  const found = new Map<Setting, number[]>(settings.map((setting) => [setting, []]));
  for (let round = 1; round <= rounds; round++)
    for (const [setting, peaks] of found) peaks.push(await peakMib(setting, entries, cache));
  const most = (setting: Setting): number => median(found.get(setting) as number[]);
  const about = `${entries.toLocaleString('en')} entries of 16 + 100 bytes; most resident in MiB, medians of ${rounds}`;
  console.log(about);
  const rows = settings.map((setting) => {
    const without = setting.execArgv === undefined ? none : noneForSize;
    const extra = setting.engine === null ? '' : (most(setting) - most(without)).toFixed(0);
    return [setting.name, most(setting).toFixed(0), extra];
  });
  console.log(table(['', 'process', 'above no engine'], rows));
  return [
    { what: 'by defaults', figure: most(byDefaults), unit: 'MiB', bound: { most: MOST_BY_DEFAULTS_MIB } },
    {
      what: `small, above no engine, both with ${FOR_SIZE}`,
      figure: most(smallForSize) - most(noneForSize),
      unit: 'MiB',
      bound: { most: MOST_SMALL_MIB },
    },
    {
      what: 'small, above no engine, without flags',
      figure: most(small) - most(none),
      unit: 'MiB',
      detail: `it has no bound: V8 lets its heaps grow further than the ${MOST_SMALL_MIB} MiB allow`,
    },
  ];
}

async function main(): Promise<void> {
  if (!existsSync('/proc/self/status')) throw new Error('memory is read from /proc: run this on Linux');
  const cache = mkdtempSync(join(os.tmpdir(), 'quorate-footprint-code-'));
  try {
    const findings = await measure(cache);
    for (const finding of findings) console.log(describeFinding(finding));
    if (!findings.every((finding) => isReached(finding) === true)) process.exitCode = 1;
  } finally {
    rmSync(cache, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:footprint: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
