import { copyBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import { highWord, joinWords } from '../format/integers.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { ALLOCATION_HEADER_BYTES, aligned, RANGE_HEADER_BYTES, Word } from './arena-layout.ts';

/** Bytes of a range tombstone in an arena, behind the header of its allocation. */
export function rangeBytes(startBytes: number, endBytes: number): number {
  return RANGE_HEADER_BYTES + aligned(startBytes) + aligned(endBytes);
}

/** Writer. Writes a range tombstone at `at`, linked to the one that came last. */
export function writeRange(
  words: Int32Array,
  arena: Uint8Array,
  at: number,
  timestamp: number,
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  endStart: number,
  endEnd: number,
): void {
  const word = at >>> 2;
  const startBytes = keyEnd - keyStart;
  words[word] = words[Word.newestRange];
  words[word + 1] = timestamp | 0;
  words[word + 2] = highWord(timestamp);
  words[word + 3] = startBytes;
  words[word + 4] = endStart < 0 ? 0 : endEnd - endStart + 1;
  const keyAt = at + RANGE_HEADER_BYTES;
  copyBytes(bytes, keyStart, keyEnd, arena, keyAt);
  if (endStart >= 0) copyBytes(bytes, endStart, endEnd, arena, keyAt + aligned(startBytes));
}

/** Where the allocation of the range tombstone at `allocation` ends. */
export function rangeEnd(words: Int32Array, allocation: number): number {
  const at = allocation + ALLOCATION_HEADER_BYTES;
  const endBytes = Math.max(0, words[(at >>> 2) + 4] - 1);
  return at + rangeBytes(words[(at >>> 2) + 3], endBytes);
}

/** So many lists of older limits are kept: as many snapshots may be read in turn, each list being made once. */
const MAX_EARLIER = 4;

/** What a thread has made of the range tombstones up to one of them. */
interface Fragmented {
  readonly generation: number;
  /** The newest that is in it. */
  readonly newest: number;
  readonly fragments: RangeFragments;
}

/**
 * The range tombstones of a memtable as one thread reads them. The arena has them one by one, linked from the newest to
 * the oldest, and each thread sorts them for itself: those that have come since it looked last are added to what it has.
 * Whoever reads with an older limit, as a snapshot does, has a list of his own made.
 */
export class MemtableRanges {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #latest: Fragmented | undefined;
  /** For older limits, the one that was asked for last before the others. */
  #earlier: readonly Fragmented[] = [];

  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /**
   * Any thread. Those below a limit, which is ordered as "Thread safety" of memtable.ts says; null: there is none.
   * @param generation of the memtable that is in the arena now
   */
  below(limit: number, generation: number): RangeFragments | null {
    const newest = this.#newestBelow(limit);
    if (newest === 0) return null;
    const latest = this.#latest?.generation === generation ? this.#latest : undefined;
    if (latest?.newest === newest) return latest.fragments;
    if (latest !== undefined && newest < latest.newest) return this.#earlierBelow(newest, generation);
    const fragments = latest?.fragments ?? new RangeFragments();
    this.#addAll(fragments, newest, latest?.newest ?? 0);
    this.#latest = { generation, newest, fragments };
    return fragments;
  }

  #earlierBelow(newest: number, generation: number): RangeFragments {
    const kept = this.#earlier;
    const found =
      kept.find((one) => one.generation === generation && one.newest === newest) ??
      this.#made(newest, generation);
    if (found !== kept[0]) {
      const others = kept.filter((one) => one !== found && one.generation === generation);
      this.#earlier = [found, ...others].slice(0, MAX_EARLIER);
    }
    return found.fragments;
  }

  #made(newest: number, generation: number): Fragmented {
    const fragments = new RangeFragments();
    this.#addAll(fragments, newest, 0);
    return { generation, newest, fragments };
  }

  #newestBelow(limit: number): number {
    const words = this.#words;
    let newest = words[Word.newestRange];
    if (newest < limit) return newest;
    // Acquire: what was stored at or above the limit, and all before it, was stored before this link to it.
    newest = Atomics.load(words, Word.newestRange);
    while (newest >= limit) newest = words[newest >>> 2];
    return newest;
  }

  /** Adds those from behind `oldest` to `newest`, in the order in which they came. */
  #addAll(fragments: RangeFragments, newest: number, oldest: number): void {
    const words = this.#words;
    const found: number[] = [];
    for (let at = newest; at > oldest; at = words[at >>> 2]) found.push(at);
    for (const at of found.reverse()) {
      const word = at >>> 2;
      const keyAt = at + RANGE_HEADER_BYTES;
      const startBytes = words[word + 3];
      const endBytes = words[word + 4] - 1;
      const endAt = keyAt + aligned(startBytes);
      const end = endBytes < 0 ? null : ownBytes(this.#bytes, endAt, endAt + endBytes);
      const timestamp = joinWords(words[word + 1] >>> 0, words[word + 2]);
      fragments.add(ownBytes(this.#bytes, keyAt, keyAt + startBytes), end, timestamp);
    }
  }
}
