import type { KeyBound } from './key-bound.ts';
import type { PageBuilder } from './page-builder.ts';

/**
 * The entry at which an iterator is, and the way to the next one. While `valid`, the current key is
 * `keyBytes[keyStart, keyEnd)` and the current record (header and value, see format/record.ts) is
 * `recordBytes[recordStart, recordEnd)`. Both may change at the next move.
 */
export interface RecordCursor {
  readonly valid: boolean;
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly recordBytes: Uint8Array;
  readonly recordStart: number;
  readonly recordEnd: number;
  next(): void;
}

/**
 * A cursor over (key, record) pairs in ascending order of key bytes, as memtables, tables and merges give it (after
 * LevelDB's `Iterator`). It is a cursor with public fields and not a JavaScript iterator: no object is made for an
 * entry. A new iterator is at no entry: call `seekToFirst` or `seek` first. One thread uses it, nothing is shared.
 */
export interface RecordIterator extends RecordCursor {
  seekToFirst(): void;
  /** Moves to the first entry whose key is at or above `key[start, end)`. */
  seek(key: Uint8Array, start: number, end: number): void;
  /**
   * Only for iterators that can pass on many entries at less cost than one by one. Adds the current entry to a page,
   * and those behind it that are quickly known to be below `bound`, as the current one is. Returns false when the page
   * ends before an entry; the cursor is then at that entry.
   */
  addRun?(page: PageBuilder, bound: KeyBound): boolean;
}
