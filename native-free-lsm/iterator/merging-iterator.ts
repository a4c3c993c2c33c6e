import { compareBytes } from '../format/bytes.ts';
import { compareRecordVersions, recordTimestamp } from '../format/record.ts';
import type { CoverWindow } from '../range-tombstones/cover-window.ts';
import { KeyBound } from './key-bound.ts';
import type { PageBuilder } from './page-builder.ts';
import type { RecordIterator } from './record-iterator.ts';

const MAX_PREFIX_BYTES = 128;
/** Of the bytes that the keys have in common when the prefix is chosen, so many go into the heads: else it changes soon. */
const SPARED_BYTES = 2;
const FEW_TIES = 16;
const MANY_TIES = 4096;

/**
 * Merges many sources of one order into one, with each key once in its newest version. Sources are given newest first:
 * of equal versions, the earliest source's is kept.
 *
 * It is a binary heap of sources, ordered by key, then newest version, then position. The current position of each
 * source is kept beside it in arrays, so that a comparison touches no source and the loops see one kind of object,
 * whatever kinds the sources are. A step allocates nothing.
 *
 * Nearly all comparisons are of numbers: beside the key of each source stands its *head*, four bytes behind a prefix
 * that all current keys have in common. (Idea: the poor man's normalized keys of Graefe and Larson, "B-tree indexes and
 * CPU caches", 2001.) The prefix is chosen anew when a key comes that does not begin with it, and when heads have been
 * equal too often to be of use.
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
  readonly #heads: Uint32Array;
  readonly #prefix = new Uint8Array(MAX_PREFIX_BYTES);
  #prefixBytes = 0;
  /** How many comparisons heads have left open since the prefix was chosen, and how many they may. */
  #ties = 0;
  #maxTies = FEW_TIES;
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
    this.#heads = new Uint32Array(sources.length);
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
   * Moves every source on that knows without reading it that what it has in the window is hidden, or else behind the
   * current entry, if that is hidden. It need not be: a merge that is a source of another one is asked for what that one
   * has found.
   */
  passHidden(window: CoverWindow): boolean {
    const isHidden = recordTimestamp(this.recordBytes, this.recordStart) < window.timestamp;
    let hasMoved = false;
    for (let at = 0; at < this.#size; at++) {
      const source = this.#sources[this.#heap[at]];
      if (window.has(source.keyBytes, source.keyStart, source.keyEnd))
        hasMoved = source.passHidden?.(window) === true || hasMoved;
    }
    if (hasMoved) {
      this.valid = false;
      this.#build();
    } else if (isHidden) this.next();
    return hasMoved || isHidden;
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
    this.#choosePrefix();
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
    if (this.#sources[position].valid) {
      this.#remember(position);
      // One source alone is compared with nothing.
      if (this.#size > 1) {
        if (this.#ties < this.#maxTies && this.#hasPrefix(position)) this.#setHead(position);
        else this.#choosePrefix();
      }
    } else this.#heap[at] = this.#heap[--this.#size];
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
    const heads = this.#heads;
    if (heads[a] !== heads[b]) return heads[a] < heads[b] ? -1 : 1;
    this.#ties++;
    const prefixBytes = this.#prefixBytes;
    return compareBytes(
      this.#keyBytes[a],
      this.#keyStart[a] + prefixBytes,
      this.#keyEnd[a],
      this.#keyBytes[b],
      this.#keyStart[b] + prefixBytes,
      this.#keyEnd[b],
    );
  }

  #hasPrefix(position: number): boolean {
    const prefix = this.#prefix;
    const prefixBytes = this.#prefixBytes;
    const key = this.#keyBytes[position];
    const start = this.#keyStart[position];
    if (this.#keyEnd[position] - start < prefixBytes) return false;
    for (let i = 0; i < prefixBytes; i++) if (key[start + i] !== prefix[i]) return false;
    return true;
  }

  /** Bytes that a key does not have count as zeros: what that leaves open is compared whole. */
  #setHead(position: number): void {
    const key = this.#keyBytes[position];
    const at = this.#keyStart[position] + this.#prefixBytes;
    const end = this.#keyEnd[position];
    let head = 0;
    if (at + 4 <= end) head = (key[at] << 24) | (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3];
    else for (let i = 0; i < 4; i++) head = (head << 8) | (at + i < end ? key[at + i] : 0);
    this.#heads[position] = head;
  }

  /** Takes what the keys of all sources have in common, and makes their heads. */
  #choosePrefix(): void {
    if (this.#size === 0) return;
    const heap = this.#heap;
    const first = heap[0];
    const key = this.#keyBytes[first];
    const start = this.#keyStart[first];
    let common = Math.min(this.#keyEnd[first] - start, MAX_PREFIX_BYTES + SPARED_BYTES);
    for (let at = 1; at < this.#size && common > 0; at++) {
      const position = heap[at];
      const other = this.#keyBytes[position];
      const otherStart = this.#keyStart[position];
      const shared = Math.min(common, this.#keyEnd[position] - otherStart);
      common = 0;
      while (common < shared && key[start + common] === other[otherStart + common]) common++;
    }
    const prefixBytes = Math.max(0, common - SPARED_BYTES);
    // Where another choice would be the same one, heads are of little use.
    this.#maxTies =
      prefixBytes === this.#prefixBytes && this.#ties > 0 ? Math.min(2 * this.#maxTies, MANY_TIES) : FEW_TIES;
    this.#ties = 0;
    this.#prefixBytes = prefixBytes;
    for (let i = 0; i < prefixBytes; i++) this.#prefix[i] = key[start + i];
    for (let at = 0; at < this.#size; at++) this.#setHead(heap[at]);
  }
}
