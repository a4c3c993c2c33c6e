import type { LogWriter } from '../log/log-writer.ts';
import { failureOf, type SyncsOnMain } from './main-synced-fs.ts';

/** So much of a log is left unsynced before a sync of it begins. (RocksDB has the same with `wal_bytes_per_sync`.) */
const MOST_AHEAD_BYTES = 2 * 1024 * 1024;
/** Of a memtable: a log that ends has at least three syncs behind it. */
const MOST_AHEAD_SHARE = 1 / 4;

/**
 * The writer's syncs of its log that main makes. Those of a log that grows are made while it takes writes. So little is
 * left for the one at its end, for which writes wait.
 *
 * There is never more than one under way, and the writer makes none itself beside it on which an answer depends: the
 * system tells an error of the disk once for each open file, so of two at a time one could succeed though what it stands
 * for is lost.
 */
export class LogSyncs {
  readonly #main: SyncsOnMain | null;
  readonly #aheadBytes: number;
  /** The log of the one under way; undefined: none is. */
  #log: LogWriter | undefined;
  #number = 0;
  #isAwaited = false;

  /** @param main null: the writer makes all of its syncs itself */
  constructor(main: SyncsOnMain | null, memtableBytes: number) {
    this.#main = main;
    this.#aheadBytes = Math.min(MOST_AHEAD_BYTES, memtableBytes * MOST_AHEAD_SHARE);
  }

  get isUnderWay(): boolean {
    return this.#log !== undefined;
  }

  /** Whether nothing is written, synced or closed until the one under way has ended. */
  get isAwaited(): boolean {
    return this.#isAwaited;
  }

  /** @returns whether there is one to wait for */
  awaitEnd(): boolean {
    this.#isAwaited = this.isUnderWay;
    return this.#isAwaited;
  }

  /** To be called when a log has grown. */
  syncAhead(log: LogWriter): void {
    if (log.lengthBytes - log.syncedBytes >= this.#aheadBytes) this.#begin(log);
  }

  /** @returns whether main has yet to sync something of a log that is about to end, which is awaited then */
  endsUnsynced(log: LogWriter): boolean {
    if (log.syncedBytes < log.lengthBytes) this.#begin(log);
    return this.awaitEnd();
  }

  /**
   * Takes note of the end of the one under way.
   * @throws LsmError POISONED when it has failed
   */
  look(): void {
    const log = this.#log;
    if (this.#main === null || log === undefined) return;
    const end = this.#main.endOf(this.#number);
    if (end === undefined) return;
    this.#log = undefined;
    this.#isAwaited = false;
    log.syncEnded(failureOf(end));
  }

  #begin(log: LogWriter): void {
    if (this.#main === null || this.isUnderWay) return;
    this.#log = log;
    this.#number = this.#main.begin(log.beginSync());
  }
}
