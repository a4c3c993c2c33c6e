/** A process with one store: it answers questions, one after the other, until it is disconnected. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { loadClassicLevel, loadRocksdb } from './level.ts';
import { loadLmdb } from './lmdb.ts';
import { loadOurs } from './ours.ts';
import type { Answer, Question, StoreTask, WayResult } from './protocol.ts';
import { RUNS } from './row-runs.ts';
import { ROWS } from './rows.ts';
import { loadSqlite } from './sqlite.ts';
import type { OpenStore, Store, StoreName, StoreSettings } from './store.ts';
import { keyOf } from './workload.ts';

/** A store is idle when its process has used less than this share of a core for this long. */
const IDLE_SHARE = 0.05;
const IDLE_MS = 300;
const PATIENCE_MS = 120_000;

const task = JSON.parse(process.argv[2]) as StoreTask;
let store: Store | undefined;

const LOADERS: Readonly<Record<StoreName, () => Promise<OpenStore>>> = {
  'native-free-lsm': () => loadOurs(task.isBuilt),
  'classic-level': loadClassicLevel,
  lmdb: loadLmdb,
  'node:sqlite': loadSqlite,
  rocksdb: loadRocksdb,
};

const loadedAtMs = performance.now();
const openStore = await LOADERS[task.store]();
const loadMs = performance.now() - loadedAtMs;

/** With a get of one key, which is missing in an empty folder. */
async function open(settings: StoreSettings): Promise<number> {
  const startedMs = performance.now();
  store = await openStore(settings);
  await store.reads[0].run([keyOf(Math.floor(task.entries / 3))]);
  return performance.now() - startedMs;
}

async function runRow(question: Question & { readonly ask: 'row' }): Promise<WayResult[]> {
  const { row: name, seed, way } = question;
  if (store === undefined || name === 'reopen') throw new Error(`${name} needs an open store`);
  const row = ROWS.find((known) => known.name === name);
  const isAsyncOnly = row !== undefined && 'isAsyncOnly' in row;
  return await RUNS[name]({ store, entries: task.entries, seconds: task.seconds, seed, way, isAsyncOnly });
}

async function settle(): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const before = process.cpuUsage();
    await pause(IDLE_MS);
    const { system, user } = process.cpuUsage(before);
    if ((user + system) / 1000 < IDLE_MS * IDLE_SHARE) return;
    if (performance.now() > endMs) throw new Error('it does not come to rest');
  }
}

async function answer(question: Question): Promise<Partial<Answer>> {
  switch (question.ask) {
    case 'open':
      return { openMs: await open(question.settings) };
    case 'row':
      return { results: await runRow(question) };
    case 'settle':
      await settle();
      return {};
    case 'close':
      await store?.[Symbol.asyncDispose]();
      store = undefined;
      return {};
  }
}

function figureOf(file: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(file, 'utf8'))?.[1]);
}

process.on('disconnect', () => process.exit(1));
process.on('message', async (question: Question) => {
  let said: Partial<Answer>;
  try {
    said = await answer(question);
  } catch (error) {
    said = { error: error instanceof Error ? error.message : String(error) };
  }
  process.send?.({
    results: [],
    openMs: 0,
    loadMs,
    peakMib: figureOf('/proc/self/status', /VmHWM:\s+(\d+)/) / 1024,
    writtenBytes: figureOf('/proc/self/io', /^wchar: (\d+)/m),
    ...said,
  } satisfies Answer);
});
