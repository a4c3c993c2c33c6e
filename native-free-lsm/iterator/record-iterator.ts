import type { CoverWindow } from '../range-tombstones/cover-window.ts';
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

/** The entries from the first one on. */
export interface RecordWalk extends RecordCursor {
  seekToFirst(): void;
}

/**
 * A cursor over (key, record) pairs in order of key bytes, as memtables, tables and merges give it (after LevelDB's
 * `Iterator`). It is a cursor with public fields and not a JavaScript iterator: no object is made for an entry. A new
 * iterator is at no entry: call `seekToFirst` or `seek` first. One thread uses it, nothing is shared.
 *
 * An iterator goes one way. Most ascend; a *reverse* one has the same calls in descending order: its first entry is the
 * one with the largest key, and its next one has the next smaller key.
 */
export interface RecordIterator extends RecordWalk {
  /**
   * Moves to the first entry whose key is at or above `key[start, end)`; a reverse iterator to the first one whose key
   * is below it. So the two halves of a range, one walked up and one down from the same key, have no key in common.
   */
  seek(key: Uint8Array, start: number, end: number): void;
  /**
   * Only for iterators that can pass on many entries at less cost than one by one. Adds the current entry to a page,
   * and those behind it that are quickly known to be admitted by `bound`, as the current one is. Returns false when the page
   * ends before an entry; the cursor is then at that entry.
   */
  addRun?(page: PageBuilder, bound: KeyBound): boolean;
  /**
   * Only for iterators that know of many entries that they are old without reading them. It stands at an entry of the
   * window, and moves on, perhaps to behind the window, past entries that are older than the window's timestamp. Returns
   * false when it has not moved.
   */
  passHidden?(window: CoverWindow): boolean;
}
