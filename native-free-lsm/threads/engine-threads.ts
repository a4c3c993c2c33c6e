import type { Worker } from 'node:worker_threads';
import type { EngineClock } from '../clock.ts';
import { FIGURE_WORDS, RowWord, ThreadTable } from '../shared/thread-table.ts';
import { bucketOf, type SiteWaits } from '../shared/wait-figures.ts';
import { WAIT_SITES } from '../shared/wait-sites.ts';

/** What profilers ask of a thread. */
export type ThreadHandle = Pick<
  Worker,
  'startCpuProfile' | 'startHeapProfile' | 'cpuUsage' | 'getHeapStatistics' | 'performance'
>;

/** A thread of an engine. */
export interface EngineThread {
  /** By what the thread does: `writer`, `reader-1`, `background-2`; `engine` with the option `singleThread`. */
  readonly name: string;
  readonly handle: ThreadHandle;
}

/** What one thread waited for during a recording. */
export interface ThreadWaits {
  /** As in EngineThread. */
  readonly thread: string;
  readonly sites: readonly SiteWaits[];
}

/**
 * The threads of an engine, for those who look for what they do. A thread that waits for work runs no code, so it heeds
 * nothing that is asked of its handle: `RecordStore.wakeThreads` has them all look up. What was started on a handle must
 * be stopped before the engine closes.
 */
export class EngineThreads {
  readonly #table: ThreadTable;
  readonly #workers: () => readonly Worker[];
  readonly #clock: EngineClock;
  #recordings = 0;

  constructor(table: ThreadTable, workers: () => readonly Worker[], clock: EngineClock) {
    this.#table = table;
    this.#workers = workers;
    this.#clock = clock;
  }

  /** Those that have a role, in the order in which they took it. */
  list(): EngineThread[] {
    const workers = this.#workers();
    const threads: EngineThread[] = [];
    for (let row = 0; row < this.#table.rows; row++) {
      const found = this.#table.rowAt(row);
      const handle = workers.find(({ threadId }) => threadId === found?.threadId);
      if (found !== undefined && handle !== undefined) threads.push({ name: found.name, handle });
    }
    return threads;
  }

  /** Frees the rows of threads that are gone, for those that take their places. */
  forgetDead(): void {
    const alive = new Set(this.#workers().map(({ threadId }) => threadId));
    for (const threadId of this.#table.threadIds()) if (!alive.has(threadId)) this.#table.free(threadId);
  }

  /** Begins a recording of all threads' waits, and forgets the one before. A wait under way does not count. */
  recordWaits(): void {
    this.#recordings++;
    this.#table.recording = this.#recordings;
  }

  /** Ends the recording; a wait under way counts with the time that it has lasted. */
  takeWaits(): ThreadWaits[] {
    const nowMicros = this.#clock.monotonicMs() * 1000;
    const waits: ThreadWaits[] = [];
    for (let row = 0; row < this.#table.rows; row++) {
      const found = this.#table.rowAt(row);
      if (found !== undefined) waits.push({ thread: found.name, sites: this.#sitesOf(row, nowMicros) });
    }
    this.#table.recording = 0;
    return waits;
  }

  #sitesOf(row: number, nowMicros: number): SiteWaits[] {
    const { words } = this.#table;
    const start = ThreadTable.rowStart(row);
    // Acquire: figures that are seen with this recording are its own.
    if (Atomics.load(words, start + RowWord.recording) !== this.#recordings) return [];
    const sites: SiteWaits[] = [];
    for (const [id, site] of WAIT_SITES.entries()) {
      const figures = start + RowWord.figures + id * FIGURE_WORDS;
      const figure = (_: unknown, word: number): number =>
        // Before the site under way is looked at, see WaitRecorder.end.
        Atomics.load(words, figures + word);
      const [count, micros, ...buckets] = Array.from({ length: FIGURE_WORDS }, figure);
      sites.push({ ...site, count, totalMs: (micros >>> 0) / 1000, buckets });
    }
    // Acquire: since when is stored before the site.
    const underWay = Atomics.load(words, start + RowWord.site);
    if (underWay !== 0) {
      const since = Atomics.load(words, start + RowWord.sinceMicros);
      const site = sites[underWay - 1];
      // 31 bits of microseconds are half an hour, and no wait is as long. One that has begun since `nowMicros` was read,
      // or whose thread's clock is a little ahead of this one's, has not lasted yet.
      const lastedMs = Math.max(((nowMicros >>> 0) - since) | 0, 0) / 1000;
      sites[underWay - 1] = withWait(site, lastedMs);
    }
    return sites.filter(({ count }) => count > 0);
  }
}

function withWait(site: SiteWaits, lastedMs: number): SiteWaits {
  const bucket = bucketOf(lastedMs * 1000);
  return {
    ...site,
    count: site.count + 1,
    totalMs: site.totalMs + lastedMs,
    buckets: site.buckets.map((waits, index) => waits + (index === bucket ? 1 : 0)),
  };
}
