import { compareBytes } from '../format/bytes.ts';
import { compareRecordVersions } from '../format/record.ts';
import type { CoverWindow } from '../range-tombstones/cover-window.ts';
import { KeyBound } from './key-bound.ts';
import type { PageBuilder } from './page-builder.ts';
import type { RecordIterator } from './record-iterator.ts';

/**
 * Merges many sources of one order into one, with each key once in its newest version. Sources are given newest first:
 * of equal versions, the earliest source's is kept.
 *
 * It is a binary heap of sources, ordered by key, then newest version, then position. The current position of each
 * source is kept beside it in arrays, so that a comparison touches no source and the loops see one kind of object,
 * whatever kinds the sources are. A step allocates nothing.
 */
export class MergingIterator implements RecordIterator {
  valid = false;
  keyBytes: Uint8Array = new Uint8Array(0);
  keyStart = 0;
  keyEnd = 0;
  recordBytes: Uint8Array = new Uint8Array(0);
  recordStart = 0;
  recordEnd = 0;
  readonly #sources: readonly RecordIterator[];
  readonly #keyBytes: Uint8Array[];
  readonly #keyStart: Int32Array;
  readonly #keyEnd: Int32Array;
  /** Positions of the sources that are at an entry; `#heap[0]` is the current one. */
  readonly #heap: Int32Array;
  #size = 0;
  /** The source of the last entry. */
  #previous = -1;
  /** Where the current source has to stop. */
  readonly #bound = new KeyBound();
  readonly #isReverse: boolean;

  /** @param isReverse whether the sources go from their last key to their first */
  constructor(sources: readonly RecordIterator[], isReverse = false) {
    this.#sources = sources;
    this.#isReverse = isReverse;
    this.#keyBytes = sources.map(() => this.keyBytes);
    this.#keyStart = new Int32Array(sources.length);
    this.#keyEnd = new Int32Array(sources.length);
    this.#heap = new Int32Array(sources.length);
  }

  seekToFirst(): void {
    this.valid = false;
    for (const source of this.#sources) source.seekToFirst();
    this.#build();
  }

  seek(key: Uint8Array, start: number, end: number): void {
    this.valid = false;
    for (const source of this.#sources) source.seek(key, start, end);
    this.#build();
  }

  next(): void {
    this.valid = false;
    // Skip older versions of the key first: the bytes they are compared with stay while the current source does not
    // move.
    while (this.#size > 1 && this.#equalsCurrent(1)) this.#advance(1);
    while (this.#size > 2 && this.#equalsCurrent(2)) this.#advance(2);
    this.#advance(0);
    this.#show();
  }

  /**
   * A source that comes twice in a row probably goes on for a while. So it runs up to the key of the next source
   * without using the heap for each entry. When sources alternate, that would cost more than it saves.
   */
  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const position = this.#heap[0];
    const source = this.#sources[position];
    const mayRun = position === this.#previous;
    this.#previous = position;
    if (mayRun && source.addRun !== undefined && this.#boundRun(bound)) {
      this.valid = false;
      const goesOn = source.addRun(page, this.#bound);
      this.#settle(0);
      this.#show();
      return goesOn;
    }
    if (
      !page.add(this.keyBytes, this.keyStart, this.keyEnd, this.recordBytes, this.recordStart, this.recordEnd)
    ) {
      return false;
    }
    this.next();
    return true;
  }

  /**
   * The current entry is hidden by what a window says of its key: moves on, and with it every source that knows without
   * reading it that what it has in the window is hidden too.
   */
  passHidden(window: CoverWindow): boolean {
    this.valid = false;
    let hasMoved = false;
    for (let at = 0; at < this.#size; at++) {
      const source = this.#sources[this.#heap[at]];
      if (window.has(source.keyBytes, source.keyStart, source.keyEnd))
        hasMoved = source.passHidden?.(window) === true || hasMoved;
    }
    if (hasMoved) this.#build();
    else this.next();
    return true;
  }

  /** Sets how far the current source may run; returns false when the next source has the same key. */
  #boundRun(bound: KeyBound): boolean {
    const run = this.#bound;
    run.copy(bound);
    if (this.#size === 1) return true;
    const next = this.#size > 2 && this.#precedes(this.#heap[2], this.#heap[1]) ? 2 : 1;
    if (this.#equalsCurrent(next)) return false;
    const position = this.#heap[next];
    const key = this.#keyBytes[position];
    if (run.admits(key, this.#keyStart[position], this.#keyEnd[position])) {
      run.stopBefore(key, this.#keyStart[position], this.#keyEnd[position], this.#isReverse);
    }
    return true;
  }

  #build(): void {
    this.#size = 0;
    this.#previous = -1;
    for (let position = 0; position < this.#sources.length; position++) {
      if (this.#sources[position].valid) {
        this.#remember(position);
        this.#heap[this.#size++] = position;
      }
    }
    for (let at = (this.#size >>> 1) - 1; at >= 0; at--) this.#siftDown(at);
    this.#show();
  }

  #show(): void {
    if (this.#size === 0) return;
    const source = this.#sources[this.#heap[0]];
    this.keyBytes = source.keyBytes;
    this.keyStart = source.keyStart;
    this.keyEnd = source.keyEnd;
    this.recordBytes = source.recordBytes;
    this.recordStart = source.recordStart;
    this.recordEnd = source.recordEnd;
    this.valid = true;
  }

  #remember(position: number): void {
    const source = this.#sources[position];
    this.#keyBytes[position] = source.keyBytes;
    this.#keyStart[position] = source.keyStart;
    this.#keyEnd[position] = source.keyEnd;
  }

  /** Moves the source at a place of the heap to its next entry. */
  #advance(at: number): void {
    this.#sources[this.#heap[at]].next();
    this.#settle(at);
  }

  /** Moves a source to its right place in the heap after its key has changed. */
  #settle(at: number): void {
    const position = this.#heap[at];
    if (this.#sources[position].valid) this.#remember(position);
    else this.#heap[at] = this.#heap[--this.#size];
    this.#siftDown(at);
  }

  #siftDown(from: number): void {
    const heap = this.#heap;
    const size = this.#size;
    const moving = heap[from];
    let at = from;
    let child = 2 * at + 1;
    while (child < size) {
      if (child + 1 < size && this.#precedes(heap[child + 1], heap[child])) child++;
      if (!this.#precedes(heap[child], moving)) break;
      heap[at] = heap[child];
      at = child;
      child = 2 * at + 1;
    }
    heap[at] = moving;
  }

  #equalsCurrent(at: number): boolean {
    return this.#compareKeys(this.#heap[at], this.#heap[0]) === 0;
  }

  #precedes(a: number, b: number): boolean {
    const order = this.#compareKeys(a, b);
    if (order !== 0) return order < 0 !== this.#isReverse;
    const left = this.#sources[a];
    const right = this.#sources[b];
    const versions = compareRecordVersions(
      left.recordBytes,
      left.recordStart,
      right.recordBytes,
      right.recordStart,
    );
    return versions === 0 ? a < b : versions > 0;
  }

  #compareKeys(a: number, b: number): number {
    return compareBytes(
      this.#keyBytes[a],
      this.#keyStart[a],
      this.#keyEnd[a],
      this.#keyBytes[b],
      this.#keyStart[b],
      this.#keyEnd[b],
    );
  }
}
