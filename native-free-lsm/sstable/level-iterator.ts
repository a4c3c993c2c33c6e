import type { KeyBound } from '../iterator/key-bound.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { CoverWindow } from '../range-tombstones/cover-window.ts';
import type { TableCursor, TableReader } from './table-reader.ts';
import { firstTableEndingAtOrAbove, lastTableStartingBelow } from './table-search.ts';

const NOTHING = new Uint8Array(0);

/**
 * Walks the disjoint tables of a level one after the other, in key order or against it. It opens a table only when the
 * cursor reaches it.
 */
export class LevelIterator implements RecordIterator {
  readonly #tables: readonly TableReader[];
  readonly #openTable: (table: TableReader) => TableCursor;
  readonly #isReverse: boolean;
  #index = 0;
  #current: TableCursor | undefined;

  /** @param open gives the cursor over a table, in the order of this iterator */
  constructor(tables: readonly TableReader[], open: (table: TableReader) => TableCursor, isReverse: boolean) {
    this.#tables = tables;
    this.#openTable = open;
    this.#isReverse = isReverse;
  }

  get valid(): boolean {
    return this.#current?.valid ?? false;
  }
  get keyBytes(): Uint8Array {
    return this.#current?.keyBytes ?? NOTHING;
  }
  get keyStart(): number {
    return this.#current?.keyStart ?? 0;
  }
  get keyEnd(): number {
    return this.#current?.keyEnd ?? 0;
  }
  get recordBytes(): Uint8Array {
    return this.#current?.recordBytes ?? NOTHING;
  }
  get recordStart(): number {
    return this.#current?.recordStart ?? 0;
  }
  get recordEnd(): number {
    return this.#current?.recordEnd ?? 0;
  }

  seekToFirst(): void {
    this.#open(this.#isReverse ? this.#tables.length - 1 : 0);
    this.#current?.seekToFirst();
    this.#skipEmpty();
  }

  seek(key: Uint8Array, start: number, end: number): void {
    const find = this.#isReverse ? lastTableStartingBelow : firstTableEndingAtOrAbove;
    this.#open(find(this.#tables, key, start, end));
    this.#current?.seek(key, start, end);
    this.#skipEmpty();
  }

  next(): void {
    this.#current?.next();
    this.#skipEmpty();
  }

  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const goesOn = this.#current?.addRun(page, bound) ?? true;
    this.#skipEmpty();
    return goesOn;
  }

  /** Passes over tables that are older than the cover, and within one of them to where the cover ends. */
  passHidden(window: CoverWindow): boolean {
    const step = this.#isReverse ? -1 : 1;
    const edge = this.#isReverse ? window.from : window.until;
    let index = this.#index;
    while (this.#isHidden(index, window) && !this.#reaches(index, edge)) index += step;
    const isHidden = this.#isHidden(index, window);
    if (index === this.#index && !isHidden) return false;
    if (index !== this.#index) this.#open(index);
    // A table that is hidden and was not passed over has the end of the window.
    if (isHidden && edge !== null) this.#current?.seek(edge, 0, edge.length);
    else this.#current?.seekToFirst();
    this.#skipEmpty();
    return true;
  }

  /** Whether everything that a table has in the window is hidden. */
  #isHidden(index: number, { timestamp }: CoverWindow): boolean {
    const table = this.#tables[index];
    return table !== undefined && table.metadata.largestTimestamp < timestamp;
  }

  /** Whether a table may have keys beyond the edge of a window in which it begins. */
  #reaches(index: number, edge: Uint8Array | null): boolean {
    if (edge === null) return false;
    const { largestKey, smallestKey } = this.#tables[index].metadata;
    return this.#isReverse ? Buffer.compare(smallestKey, edge) < 0 : Buffer.compare(largestKey, edge) >= 0;
  }

  #skipEmpty(): void {
    while (this.#current !== undefined && !this.#current.valid) {
      this.#open(this.#isReverse ? this.#index - 1 : this.#index + 1);
      this.#current?.seekToFirst();
    }
  }

  #open(index: number): void {
    this.#index = index;
    const table = this.#tables[index];
    this.#current = table === undefined ? undefined : this.#openTable(table);
  }
}
