import type { KeyBound } from '../iterator/key-bound.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { TableCursor, TableReader } from './table-reader.ts';
import { firstTableEndingAtOrAbove, lastTableStartingBelow } from './table-set.ts';

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
