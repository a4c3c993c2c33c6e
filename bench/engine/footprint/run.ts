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
import { median } from '../figure.ts';
import type { FootprintTask } from './task.ts';

const PROCESS = fileURLToPath(new URL('./process.ts', import.meta.url));
const KIB = 1024;
const MIB = 1024 * KIB;

/** As in the manual: "Little memory". */
const SMALL: Partial<EngineOptions> = {
  memtableBytes: MIB,
  maxRecordBytes: 128 * KIB,
  maxSealedMemtables: 1,
  blockCacheBytes: 2 * MIB,
  targetFileBytes: 2 * MIB,
  maxCompactionBytes: 16 * MIB,
  maxBackgroundJobs: 1,
};

interface Flags {
  readonly entries: number;
  readonly rounds: number;
  readonly built: boolean;
}

const flags = script(
  'bench:footprint',
  'The most memory that a program had resident which puts entries, puts them anew, gets each and reads all in order: with no engine, and with the engine by its defaults and by small settings.',
)
  .option('--entries <n>', 'keys of 16 bytes with values of 100 bytes', count, 200_000)
  .option('--rounds <n>', 'of which the medians are told', count, 3)
  .option('--built', 'the compiled package (npm run build) instead of the sources', false)
  .parse()
  .opts<Flags>();

function peakMib(task: Omit<FootprintTask, 'directory'>): Promise<number> {
  const directory = mkdtempSync(join(os.tmpdir(), 'quorate-footprint-'));
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = fork(PROCESS, [JSON.stringify({ ...task, directory })]);
  child.once('message', (mib) => resolve(mib as number));
  child.once('exit', (code) => {
    rmSync(directory, { recursive: true, force: true });
    reject(new Error(`a process ended with exit code ${code}`));
  });
  return promise;
}

async function main(): Promise<void> {
  if (!existsSync('/proc/self/status')) throw new Error('memory is read from /proc: run this on Linux');
  const { built: isBuilt, entries, rounds } = flags;
  const settings = [
    { name: 'no engine', task: { entries: 0, isBuilt, options: {} } },
    { name: 'defaults', task: { entries, isBuilt, options: {} } },
    { name: 'small', task: { entries, isBuilt, options: SMALL } },
  ];
  const found = new Map<string, number[]>(settings.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++)
    for (const { name, task } of settings) found.get(name)?.push(await peakMib(task));
  const [without] = settings.map(({ name }) => median(found.get(name) ?? []));
  const rows = settings.map(({ name }) => {
    const mib = median(found.get(name) ?? []);
    return [name, mib.toFixed(0), name === 'no engine' ? '' : (mib - without).toFixed(0)];
  });
  console.log(
    `${entries.toLocaleString('en')} entries of 16 + 100 bytes; most resident in MiB, medians of ${rounds}`,
  );
  console.log(table(['', 'process', 'above no engine'], rows));
}

try {
  await main();
} catch (error) {
  console.error(`bench:footprint: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
