import type { LsmError } from '../errors.ts';
import type { TableReader } from '../sstable/table-reader.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import { Retry, type RetryParts } from './retry.ts';

interface LateTablesEvents {
  /** All are loaded: called once, by `start` if there are none, by `finish`, or in a later turn. */
  onLoaded(): void;
  /** One could not be loaded; it is tried again later. */
  onFailed(error: LsmError): void;
}

/**
 * Loads, after an opening, the indexes and filters that it has left for later, some in each turn. Until all are there
 * the threads know of no table, so none ever meets one of which something is missing. Main may: a read that comes
 * to such a table loads it at once.
 */
export class LateTables {
  readonly #parts: RetryParts;
  readonly #tables: readonly TableReader[];
  readonly #turnBytes: number;
  readonly #events: LateTablesEvents;
  readonly #retry: Retry;
  #next = 0;
  #isOver = false;

  /** @param turnBytes are loaded in one turn, unless one table alone has more */
  constructor(
    parts: RetryParts,
    tables: readonly TableReader[],
    turnBytes: number,
    events: LateTablesEvents,
  ) {
    this.#parts = parts;
    this.#tables = tables;
    this.#turnBytes = turnBytes;
    this.#events = events;
    this.#retry = new Retry('tables', parts, () => this.#loadSome());
  }

  start(): void {
    if (this.#tables.length === 0) this.finish();
    else this.#parts.clock.endOfTurn(this.#loadSome);
  }

  /** Loads at once what is left. */
  finish(): void {
    if (!this.#isOver && this.#load(Number.POSITIVE_INFINITY)) this.#end();
  }

  /**
   * As `finish`, for whoever can do without. While another try is due it does nothing: a try that fails costs all that
   * waits for the threads.
   */
  finishUnlessFailing(): void {
    if (!this.#retry.pending) this.finish();
  }

  /** No version with a larger timestamp is in tables that are not loaded. */
  get unknownTo(): number {
    let newest = 0;
    for (const { isLoaded, metadata } of this.#tables)
      if (!isLoaded) newest = Math.max(newest, metadata.largestTimestamp);
    return newest;
  }

  /** Loads nothing more. */
  close(): void {
    this.#isOver = true;
  }

  readonly #loadSome = (): void => {
    if (this.#isOver || !this.#load(this.#turnBytes)) return;
    if (this.#next === this.#tables.length) this.#end();
    else this.#parts.clock.endOfTurn(this.#loadSome);
  };

  /** Returns false when one could not be loaded. */
  #load(maxBytes: number): boolean {
    try {
      for (let bytes = 0; bytes < maxBytes && this.#next < this.#tables.length; this.#next++) {
        const table = this.#tables[this.#next];
        if (table.isLoaded) continue;
        const { filter, index } = table.handle;
        bytes += filter.byteLength + index.byteLength;
      }
      return true;
    } catch (error) {
      const failure = toLsmError(error, 'loading a table');
      this.#retry.failed(failure);
      this.#events.onFailed(failure);
      return false;
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#retry.works();
    this.#events.onLoaded();
  }
}
