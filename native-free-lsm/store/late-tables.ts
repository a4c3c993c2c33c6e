import type { EngineClock } from '../clock.ts';
import type { TableReader } from '../sstable/table-reader.ts';

/**
 * Loads, after an opening, the indexes and filters that it has left for later, some in each turn. Until all are there
 * the threads know of no table, so none ever meets one of which something is missing. Main may: a read that comes
 * to such a table loads it at once.
 */
export class LateTables {
  readonly #clock: EngineClock;
  readonly #tables: readonly TableReader[];
  readonly #turnBytes: number;
  readonly #onLoaded: () => void;
  #next = 0;
  #isOver = false;

  /**
   * @param turnBytes are loaded in one turn, unless one table alone has more
   * @param onLoaded called once, when all are loaded: by `start` if there are none, by `finish`, or in a later turn
   */
  constructor(clock: EngineClock, tables: readonly TableReader[], turnBytes: number, onLoaded: () => void) {
    this.#clock = clock;
    this.#tables = tables;
    this.#turnBytes = turnBytes;
    this.#onLoaded = onLoaded;
  }

  start(): void {
    if (this.#tables.length === 0) this.finish();
    else this.#clock.endOfTurn(this.#loadSome);
  }

  /** Loads at once what is left. */
  finish(): void {
    if (this.#isOver) return;
    this.#load(Number.POSITIVE_INFINITY);
    this.#end();
  }

  /** Loads nothing more. */
  close(): void {
    this.#isOver = true;
  }

  readonly #loadSome = (): void => {
    if (this.#isOver) return;
    this.#load(this.#turnBytes);
    if (this.#next === this.#tables.length) this.#end();
    else this.#clock.endOfTurn(this.#loadSome);
  };

  #load(maxBytes: number): void {
    for (let bytes = 0; bytes < maxBytes && this.#next < this.#tables.length; this.#next++) {
      const table = this.#tables[this.#next];
      if (table.isLoaded) continue;
      const { filter, index } = table.handle;
      bytes += filter.byteLength + index.byteLength;
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#onLoaded();
  }
}
