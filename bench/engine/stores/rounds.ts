/**
 * The rounds of a run. In each of them every store has a process, and they take turns row by row: what a neighbour on the
 * machine does for a minute falls on all of them. A store that has written comes to rest before the next one begins.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer, StoreTask } from './protocol.ts';
import { StoreResults } from './results.ts';
import type { RowName } from './rows.ts';
import type { StoreName } from './store.ts';
import { StoreProcess } from './store-process.ts';
import { ENTRY_BYTES } from './workload.ts';

const CACHE_BYTES = 48 * 1024 * 1024;
const LARGE_SHARE = 0.1;
const REOPENINGS = 3;
/** How often everything was put when the amplifications are taken. */
const TIMES_PUT = 2;
/** As `du` counts. */
const DISK_BLOCK_BYTES = 512;

/** Over the data, in this order, each store open without syncs. */
const READ_ROWS = [
  'readrandom',
  'readrandom-async',
  'readmissing',
  'readseq',
  'readreverse',
  'first-entry',
  'hundred-entries',
  'seekrandom',
  'readwhilewriting',
] as const satisfies readonly RowName[];

export interface RunPlan extends Pick<StoreTask, 'entries' | 'seconds' | 'isBuilt'> {
  readonly stores: readonly StoreName[];
  readonly rows: readonly RowName[];
  /** Where the folder of the run is made. */
  readonly data: string;
}

interface RunningStore {
  readonly name: StoreName;
  readonly process: StoreProcess;
  readonly directory: string;
  last: Answer | undefined;
  writeAmplification: number;
  spaceAmplification: number;
}

export class StoreRounds implements Disposable {
  readonly results = new StoreResults();
  readonly #plan: RunPlan;
  readonly #directory: string;
  readonly #startedMs = performance.now();
  #round = 0;

  constructor(plan: RunPlan) {
    this.#plan = plan;
    this.#directory = mkdtempSync(join(plan.data, 'quorate-stores-'));
  }

  async run(round: number): Promise<void> {
    this.#round = round;
    await using running = new AsyncDisposableStack();
    // Each round begins with another.
    const names = this.#plan.stores.map((_, i, all) => all[(i + round - 1) % all.length]);
    const stores = names.map((name) => {
      const process = running.use(this.#start(name));
      const directory = join(this.#directory, name.replace(':', '-'));
      return { name, process, directory, last: undefined, writeAmplification: 0, spaceAmplification: 0 };
    });
    await this.#fillInOrder(stores);
    await this.#fill(stores);
    for (const row of READ_ROWS) await this.#row(stores, row);
    await this.#row(stores, 'put');
    await this.#withSyncs(stores);
    await this.#openAnew(stores);
    if (this.#wants('deleterandom')) {
      for (const store of stores) {
        await this.#open(store);
        await this.#ask(store, 'deleterandom');
        await store.process.ask({ ask: 'close' });
      }
    }
    for (const { name, last, spaceAmplification, writeAmplification } of stores) {
      if (last === undefined) continue;
      const { loadMs, peakMib } = last;
      this.results.addCosts(name, { loadMs, peakMib, spaceAmplification, writeAmplification });
    }
    for (const { directory } of stores) rmSync(directory, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Into an empty folder, which is removed. */
  async #fillInOrder(stores: readonly RunningStore[]): Promise<void> {
    if (!this.#wants('fillseq')) return;
    for (const store of stores) {
      await this.#open(store);
      await this.#ask(store, 'fillseq');
      await store.process.ask({ ask: 'close' });
      rmSync(store.directory, { recursive: true, force: true });
    }
  }

  /** Fills the folder that all other rows are about, and overwrites everything once. */
  async #fill(stores: readonly RunningStore[]): Promise<void> {
    const putBytes = this.#plan.entries * ENTRY_BYTES;
    const writtenBefore = new Map<StoreName, number>();
    for (const store of stores) {
      const { writtenBytes } = await this.#open(store);
      writtenBefore.set(store.name, writtenBytes);
      await this.#ask(store, 'fillrandom');
    }
    for (const store of stores) {
      const { writtenBytes } = await this.#ask(store, 'overwrite');
      const written = writtenBytes - (writtenBefore.get(store.name) ?? 0);
      store.writeAmplification = written / (TIMES_PUT * putBytes);
      store.spaceAmplification = diskBytesOf(store.directory) / putBytes;
    }
  }

  async #row(stores: readonly RunningStore[], row: RowName): Promise<void> {
    if (!this.#wants(row)) return;
    for (const store of stores) await this.#ask(store, row);
  }

  async #withSyncs(stores: readonly RunningStore[]): Promise<void> {
    for (const store of stores) await store.process.ask({ ask: 'close' });
    if (!this.#wants('fillsync')) return;
    for (const store of stores) {
      await this.#open(store, { isSynced: true });
      await this.#ask(store, 'fillsync');
      await store.process.ask({ ask: 'close' });
    }
  }

  /** In processes that have just loaded the store's package. */
  async #openAnew(stores: readonly RunningStore[]): Promise<void> {
    for (const { directory, name } of stores) {
      for (let opening = 0; opening < REOPENINGS && this.#wants('reopen'); opening++) {
        await using fresh = this.#start(name);
        const settings = { directory, cacheBytes: CACHE_BYTES, isSynced: false };
        const { openMs } = await fresh.ask({ ask: 'open', settings });
        this.#progress('reopen', name, `${openMs.toFixed(1)} ms`);
        await fresh.ask({ ask: 'close' });
        this.results.add('reopen', name, [openingOf(openMs)]);
      }
    }
    if (!this.#wants('readlarge')) return;
    const cacheBytes = Math.ceil(this.#plan.entries * ENTRY_BYTES * LARGE_SHARE);
    for (const store of stores) {
      await using fresh = this.#start(store.name);
      await this.#open({ ...store, process: fresh }, { cacheBytes });
      await this.#ask({ ...store, process: fresh }, 'readlarge');
      await fresh.ask({ ask: 'close' });
    }
  }

  async #open(
    { directory, process }: RunningStore,
    { cacheBytes = CACHE_BYTES, isSynced = false } = {},
  ): Promise<Answer> {
    mkdirSync(directory, { recursive: true });
    return await process.ask({ ask: 'open', settings: { directory, cacheBytes, isSynced } });
  }

  /** Runs a row, and waits until what it has caused in the background is done. */
  async #ask(store: RunningStore, row: RowName): Promise<Answer> {
    const { name, process } = store;
    // Later rounds need not look for the fastest way again.
    const way = this.#round === 1 ? undefined : this.results.fastest(row, name)?.[0].way;
    const { results } = await process.ask({ ask: 'row', row, way, seed: this.#round });
    for (const { way: called, cpuMicros, perSecond } of results)
      this.#progress(row, name, `${called}: ${Math.round(perSecond)}/s, ${cpuMicros.toFixed(2)} µs CPU`);
    if (this.#wants(row)) this.results.add(row, name, results);
    store.last = await process.ask({ ask: 'settle' });
    return store.last;
  }

  #wants(row: RowName): boolean {
    return this.#plan.rows.includes(row);
  }

  #start(store: StoreName): StoreProcess {
    const { entries, isBuilt, seconds } = this.#plan;
    return new StoreProcess({ store, entries, isBuilt, seconds });
  }

  #progress(row: string, store: string, line: string): void {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    console.error(`[${seconds.padStart(5)} s] round ${this.#round}, ${row}, ${store}: ${line}`);
  }
}

function openingOf(openMs: number) {
  const none = { cpuMicros: 0, delayP999Ms: openMs, delayMaxMs: openMs };
  return { way: 'open and get', isAsync: true, perSecond: 1000 / openMs, ...none };
}

function diskBytesOf(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).reduce((bytes, file) => {
    const stat = statSync(join(directory, file));
    return bytes + (stat.isFile() ? stat.blocks * DISK_BLOCK_BYTES : 0);
  }, 0);
}
