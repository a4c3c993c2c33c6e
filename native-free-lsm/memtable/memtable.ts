/**
 * A memtable in an arena of shared memory: one writer thread, readers in any number of threads without locks.
 * A `Memtable` is how one thread reads and writes the arena; arena-layout.ts draws the memory.
 *
 * Shape: a skip list of distinct keys (after Pugh, and LevelDB's `db/skiplist.h`), each with a chain of its
 * versions, newest first, and a hash index over the keys for point reads. An entry's offset is its sequence
 * number: offsets only grow, and a reader with limit L sees, of each key, the newest entry below L.
 *
 * Invariants
 *  - Nothing in the arena changes once written, except links (each from one whole word to another), free hash
 *    slots (once), and the header.
 *  - A key's chain is in order of versions as of offsets: `insert` refuses what is not newer than the newest, and what a
 *    range tombstone hides.
 *  - A link to a node or entry is stored only after all of it was written. (A hash slot may be seen before: who finds
 *    one that points at or above his limit looks at nothing there.)
 *  - The skip list has every key whose node lies below the offset `linked`. Those above it are in the hash index alone
 *    until the writer links them, many together, or for good when the memtable is sealed first; an iterator finds them by
 *    the order of their arrival.
 *  - Limits are boundaries between allocations; a key node lies directly before its first entry, so a node
 *    below a limit has an entry below it.
 *
 * Thread safety. Readers use plain loads, and still never see a half-written node:
 *  - What lies below the limit is complete for whoever has the limit. The writer stored it before its
 *    `Atomics.store` of `published`; the reader's limit comes from an `Atomics.load` of that word, by itself
 *    or by a thread it got the limit from by way of a ring or a message.
 *  - What lies at or above the limit may be half-seen through a plain load, and so may the links of a node at or above
 *    `linked`. A reader that meets such an offset loads the same link again with `Atomics.load`, which orders it behind
 *    the writer's store of the link.
 *  - A hash slot is written once. A slot that points at or above the limit was free when the limit was
 *    published, so a key that had been inserted by then sits before it on the probe path: the search ends.
 *  (An `Atomics.load` at every step costs 8 ns each where a plain load costs 1, some 200 ns a seek.)
 *
 * `reset` wants an arena that nobody reads any more (see epochs.ts). The writer's state is in the arena, but for where
 * keys without links begin: another thread, or another `Memtable`, may become the writer once all keys are linked and it
 * is ordered behind the last call of the old one.
 */
import { LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import { highWord, joinWords } from '../format/integers.ts';
import {
  compareVersions,
  RecordFlag,
  recordFlags,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../format/record.ts';
import { MAX_TIMESTAMP } from '../format/timestamp.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import {
  ALLOCATION_HEADER_BYTES,
  aligned,
  allocationsStart,
  ENTRY_HEADER_BYTES,
  HEAD_NODE,
  INDEX_START,
  LARGEST_RANGE_TIMESTAMP_DOUBLE,
  LARGEST_TIMESTAMP_DOUBLE,
  linkIndex,
  MAX_ARENA_BYTES,
  MAX_HEIGHT,
  MIN_ARENA_BYTES,
  NODE_HEADER_BYTES,
  RAW_BYTES_DOUBLE,
  SLOT_OFFSET_MASK,
  SLOT_TAG_SHIFT,
  SMALLEST_TIMESTAMP_DOUBLE,
  slotCount,
  TOTALS_WORDS,
  Total,
  Word,
} from './arena-layout.ts';
import { ArrivalCursor } from './arrival-cursor.ts';
import { ArrivalOrder } from './arrival-order.ts';
import { InsertPosition } from './insert-position.ts';
import { LateLinks } from './late-links.ts';
import { MemtableIterator } from './memtable-iterator.ts';
import { MemtableRanges, rangeBytes, writeRange } from './memtable-ranges.ts';
import { newestBelow } from './node-iterator.ts';
import { ReverseMemtableIterator } from './reverse-memtable-iterator.ts';
import { UnlinkedIterator } from './unlinked-iterator.ts';

export const InsertStatus = { applied: 0, stale: 1, full: 2 } as const;
export type InsertStatus = (typeof InsertStatus)[keyof typeof InsertStatus];

const INDEX_WORD = INDEX_START / 4;
/** Few keys are linked when they take less than one of so many parts of the allocations. */
const FEW_LINKED = 4;

export class Memtable {
  /** The whole arena; offsets of entries count from its start. */
  readonly bytes: Uint8Array;
  /** The version of the key that the last `insert` met, applied or not; 0, 0 when the key was not there. */
  metTimestamp = 0;
  metWriter = 0;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #slotMask: number;
  /** Where allocations start. */
  readonly #start: number;
  readonly #seed: HashSeed;
  /** Of the writer alone, as is the next one. */
  readonly #position: InsertPosition;
  readonly #lateLinks: LateLinks;
  /** What `loadSlots` has loaded. */
  #loaded = 0;
  readonly #order: ArrivalOrder;
  readonly #ranges: MemtableRanges;

  /** @param arena from `createArena`: 1 KiB to 256 MiB, a multiple of 8 bytes; call `reset` before its first use */
  constructor(arena: SharedArrayBuffer) {
    const size = arena.byteLength;
    if (size < MIN_ARENA_BYTES || size > MAX_ARENA_BYTES || size % 8 !== 0) {
      const range = `${MIN_ARENA_BYTES} to ${MAX_ARENA_BYTES}, and a multiple of 8`;
      throw new LsmError('INVALID_ARGUMENT', `an arena of ${size} bytes: it must be ${range}`);
    }
    this.bytes = new Uint8Array(arena);
    this.#words = new Int32Array(arena);
    this.#doubles = new Float64Array(arena, 0, INDEX_START >>> 3);
    this.#slotMask = slotCount(size) - 1;
    this.#start = allocationsStart(size);
    this.#position = new InsertPosition(this.#words, this.bytes);
    this.#lateLinks = new LateLinks(this.#words, this.bytes, this.#position);
    this.#order = new ArrivalOrder(this.#words, this.bytes);
    this.#ranges = new MemtableRanges(this.#words, this.bytes);
    this.#seed = { low: this.#words[Word.seedLow] >>> 0, high: this.#words[Word.seedHigh] >>> 0 };
  }

  /** The most bytes that an entry takes: those of a new key with the tallest node. */
  static entryBytes(keyBytes: number, recordBytes: number): number {
    const node = 4 * MAX_HEIGHT + NODE_HEADER_BYTES + aligned(keyBytes);
    return ALLOCATION_HEADER_BYTES + node + ENTRY_HEADER_BYTES + aligned(recordBytes);
  }

  /** Writer. Empties the arena for a new memtable. It takes time for the hash index, an eighth of the arena. */
  reset(generation: number): void {
    const words = this.#words;
    const start = this.#start;
    // A fresh arena is zero already; writing its index would only make it resident.
    if (words[Word.used] !== 0) words.fill(0, INDEX_WORD, start >>> 2);
    for (let level = 0; level < MAX_HEIGHT; level++) words[linkIndex(HEAD_NODE, level)] = 0;
    this.#position.reset();
    this.#lateLinks.reset();
    words[Word.used] = start;
    words[Word.height] = 1;
    words[Word.random] = (Math.imul(generation, 0x9e3779b9) ^ this.#seed.low) | 1;
    words[Word.entries] = 0;
    words[Word.newestRange] = 0;
    words[Word.hasExpiring] = 0;
    this.#doubles[LARGEST_RANGE_TIMESTAMP_DOUBLE] = 0;
    this.#doubles[RAW_BYTES_DOUBLE] = 0;
    this.#doubles[SMALLEST_TIMESTAMP_DOUBLE] = MAX_TIMESTAMP;
    this.#doubles[LARGEST_TIMESTAMP_DOUBLE] = 0;
    // Before publish, so that every thread that has a limit of this memtable finds its number.
    Atomics.store(words, Word.generation, generation);
    this.publish();
  }

  get generation(): number {
    // Acquire: the arena behind it is that memtable's.
    return Atomics.load(this.#words, Word.generation) >>> 0;
  }

  /** Writer. Whether there is surely room for an insert of that size. */
  fits(keyBytes: number, recordBytes: number): boolean {
    return this.#words[Word.used] + Memtable.entryBytes(keyBytes, recordBytes) <= this.bytes.length;
  }

  /**
   * Writer. Puts a record if its version is newer than every version of the key in this memtable, published or not (the
   * same version counts as stale), and no range tombstone in it hides the record. Sets `metTimestamp` and `metWriter`.
   * Readers see it after `publish`.
   */
  insert(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): InsertStatus {
    const hash = this.hash(keyBytes, keyStart, keyEnd);
    return this.insertHashed(hash, true, keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd);
  }

  /**
   * Writer. As `insert`, but the key may be missing in the skip list until `linkNew`. For many puts: to sort their keys
   * then takes less time than to search the place of each.
   */
  insertUnlinked(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): InsertStatus {
    const hash = this.hash(keyBytes, keyStart, keyEnd);
    return this.insertHashed(hash, false, keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd);
  }

  /** The hash of a key that is to be inserted. */
  hash(keyBytes: Uint8Array, keyStart: number, keyEnd: number): number {
    return hashBytes(keyBytes, keyStart, keyEnd, this.#seed);
  }

  /**
   * Writer. Loads the first slots where keys with these hashes may be, which lie anywhere: who does so for some keys
   * before the first of them is inserted waits once for all. No work stands between the loads, as the processor looks
   * only so far ahead.
   */
  loadSlots(hashes: Int32Array, count: number): void {
    const words = this.#words;
    const mask = this.#slotMask;
    let loaded = 0;
    for (let at = 0; at < count; at++) loaded ^= words[INDEX_WORD + (hashes[at] & mask)];
    // It is kept so that the loads are not left out.
    this.#loaded ^= loaded;
  }

  /** Writer. How many entries there are from the first one on whose key is not in the skip list, at most. */
  get unlinkedEntries(): number {
    return this.#lateLinks.entries;
  }

  /**
   * Writer. Links the keys that were put by `insertUnlinked`, those that came first first.
   * @param mostEntries for how many entries it takes time, at most: a microsecond for each of many
   */
  linkNew(mostEntries = Number.POSITIVE_INFINITY): void {
    this.#lateLinks.link(mostEntries);
  }

  /** Writer. As `insert`, or `insertUnlinked`, of a key whose hash is known, as a signed number or another. */
  insertHashed(
    hash: number,
    isLinked: boolean,
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): InsertStatus {
    const slotAt = this.#probe(keyBytes, keyStart, keyEnd, hash);
    const slot = this.#words[slotAt];
    const timestamp = recordTimestamp(recordBytes, recordStart);
    if (
      timestamp < this.#doubles[LARGEST_RANGE_TIMESTAMP_DOUBLE] &&
      this.#isHidden(keyBytes, keyStart, keyEnd, timestamp)
    )
      return InsertStatus.stale;
    if (slot === 0) {
      this.metTimestamp = 0;
      this.metWriter = 0;
      const node = this.#insertKey(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd, isLinked);
      if (node === 0) return InsertStatus.full;
      // A plain store: whoever has a limit above the node is ordered behind it, and nobody else looks at the node.
      this.#words[slotAt] = (node >>> 2) | (hash & ~SLOT_OFFSET_MASK);
    } else {
      const node = (slot & SLOT_OFFSET_MASK) << 2;
      const newest = this.#words[node >>> 2];
      this.metTimestamp = recordTimestamp(this.bytes, newest + ENTRY_HEADER_BYTES);
      this.metWriter = recordWriter(this.bytes, newest + ENTRY_HEADER_BYTES);
      const writer = recordWriter(recordBytes, recordStart);
      if (compareVersions(timestamp, writer, this.metTimestamp, this.metWriter) <= 0)
        return InsertStatus.stale;
      const entry = this.#allocate(node, ENTRY_HEADER_BYTES + aligned(recordEnd - recordStart));
      if (entry === 0) return InsertStatus.full;
      this.#writeEntry(entry, newest, recordBytes, recordStart, recordEnd);
      // Release: the entry is whole before a reader can follow the link to it.
      Atomics.store(this.#words, node >>> 2, entry);
    }
    if ((recordFlags(recordBytes, recordStart) & RecordFlag.hasExpiry) !== 0)
      this.#words[Word.hasExpiring] = 1;
    const valueBytes = recordEnd - recordValueStart(recordBytes, recordStart);
    this.#count(keyEnd - keyStart + valueBytes, timestamp);
    return InsertStatus.applied;
  }

  #isHidden(key: Uint8Array, start: number, end: number, timestamp: number): boolean {
    const cover = this.coverOf(key, start, end, this.#words[Word.used]);
    if (cover <= timestamp) return false;
    this.metTimestamp = cover;
    this.metWriter = 0;
    return true;
  }

  /** The most bytes that a range tombstone takes. */
  static rangeBytes(startBytes: number, endBytes: number): number {
    return ALLOCATION_HEADER_BYTES + rangeBytes(startBytes, endBytes);
  }

  /**
   * Writer. Puts a range tombstone from a key to before another. Everything that was inserted before must have a smaller
   * timestamp, here and below: the caller sees to it.
   * @param recordStart where the header of a record lies that has its timestamp
   * @param endStart -1: the range has no end
   */
  insertRange(
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordStart: number,
    endStart: number,
    endEnd: number,
  ): InsertStatus {
    const timestamp = recordTimestamp(bytes, recordStart);
    this.metTimestamp = 0;
    this.metWriter = 0;
    const endBytes = endStart < 0 ? 0 : endEnd - endStart;
    const start = this.#allocate(0, rangeBytes(keyEnd - keyStart, endBytes));
    if (start === 0) return InsertStatus.full;
    writeRange(this.#words, this.bytes, start, timestamp, bytes, keyStart, keyEnd, endStart, endEnd);
    // Release: it is whole before a reader can follow the link to it.
    Atomics.store(this.#words, Word.newestRange, start);
    if (timestamp > this.#doubles[LARGEST_RANGE_TIMESTAMP_DOUBLE])
      this.#doubles[LARGEST_RANGE_TIMESTAMP_DOUBLE] = timestamp;
    this.#count(keyEnd - keyStart + endBytes, timestamp);
    return InsertStatus.applied;
  }

  /** Any thread. The newest range tombstone below `limit` that hides the key, by its timestamp; 0: none does. */
  coverOf(key: Uint8Array, start: number, end: number, limit: number): number {
    if (this.#words[Word.newestRange] === 0) return 0;
    return this.ranges(limit)?.coverOf(key, start, end) ?? 0;
  }

  /**
   * Any thread. The range tombstones below `limit`; null: there is none. They are valid until the thread asks for those
   * below another limit.
   */
  ranges(limit: number): RangeFragments | null {
    return this.#words[Word.newestRange] === 0 ? null : this.#ranges.below(limit, this.generation);
  }

  /** Writer. Makes everything inserted so far visible at once. */
  publish(): void {
    const words = this.#words;
    const version = (words[Word.totalsVersion] + 1) | 0;
    const at = Word.totals + (version & 1) * TOTALS_WORDS;
    const smallest = this.#doubles[SMALLEST_TIMESTAMP_DOUBLE];
    const largest = this.#doubles[LARGEST_TIMESTAMP_DOUBLE];
    const rawBytes = this.#doubles[RAW_BYTES_DOUBLE];
    // Atomic, so that a reader who still uses the version before last sees none of these.
    Atomics.store(words, at + Total.entries, words[Word.entries]);
    Atomics.store(words, at + Total.rawBytesLow, rawBytes | 0);
    Atomics.store(words, at + Total.rawBytesHigh, highWord(rawBytes));
    Atomics.store(words, at + Total.smallestLow, smallest | 0);
    Atomics.store(words, at + Total.smallestHigh, highWord(smallest));
    Atomics.store(words, at + Total.largestLow, largest | 0);
    Atomics.store(words, at + Total.largestHigh, highWord(largest));
    // After the copy that it names. The other copy stays unchanged for readers that are using it.
    Atomics.store(words, Word.totalsVersion, version);
    // Before `published`: a reader that has the limit finds out how much of it is linked. Release, after all links.
    Atomics.store(words, Word.linked, this.#lateLinks.from === 0 ? words[Word.used] : this.#lateLinks.from);
    // Release, after all entries below it: the one store that makes them visible.
    Atomics.store(words, Word.published, words[Word.used]);
  }

  /**
   * Any thread. How many bytes below `limit` the allocations take that may be of keys which are not in the skip list yet.
   * An iterator sorts these for itself, which takes the longer the more there are, and keeps their order for the next one.
   */
  unlinkedBytes(limit: number): number {
    // Acquire: all nodes below were linked before it was stored.
    return Math.max(0, limit - Atomics.load(this.#words, Word.linked));
  }

  /** Any thread. The limit to read with: entries below it are visible. */
  get publishedOffset(): number {
    // Acquire: all below it was written before it was stored.
    return Atomics.load(this.#words, Word.published);
  }

  /**
   * Any thread. The newest entry of a key below `limit`, a value of `publishedOffset`; 0 when there is none.
   * @param hash hashBytes of the key with the arena's seed, computed once for all memtables and filters
   */
  find(key: Uint8Array, start: number, end: number, limit: number, hash: number): number {
    // An empty one, as behind each flush and opening: no slot has to come from memory.
    if (limit === this.#start) return 0;
    const words = this.#words;
    const mask = this.#slotMask;
    for (let index = hash & mask; ; index = (index + 1) & mask) {
      const slot = words[INDEX_WORD + index];
      if (slot === 0) return 0;
      const node = (slot & SLOT_OFFSET_MASK) << 2;
      if (node >= limit) return 0;
      if ((slot ^ hash) >>> SLOT_TAG_SHIFT === 0 && this.#hasKey(node, key, start, end)) {
        return newestBelow(words, node, limit);
      }
    }
  }

  /** Where the record (header and value) of an entry starts in `bytes`. */
  recordStart(entry: number): number {
    return entry + ENTRY_HEADER_BYTES;
  }

  recordEnd(entry: number): number {
    return entry + ENTRY_HEADER_BYTES + this.#words[(entry >>> 2) + 1];
  }

  /** Any thread. All entries in the order in which they were inserted. */
  arrivals(): ArrivalCursor {
    return new ArrivalCursor(this.#words, this.bytes);
  }

  /** Any thread. The newest entry below `limit` of each key, in key order or against it. */
  iterator(limit: number, isReverse = false): RecordIterator {
    const words = this.#words;
    const { bytes } = this;
    const nodeLimit = limit - this.unlinkedBytes(limit);
    const start = allocationsStart(bytes.length);
    // Where few keys are linked all are sorted: to merge would take longer.
    if (nodeLimit < limit && (nodeLimit - start) * FEW_LINKED < limit - start)
      return this.#unlinked(start, limit, isReverse);
    const linked = isReverse
      ? new ReverseMemtableIterator(words, bytes, limit, nodeLimit)
      : new MemtableIterator(words, bytes, limit, nodeLimit);
    if (nodeLimit < limit)
      return new MergingIterator([linked, this.#unlinked(nodeLimit, limit, isReverse)], isReverse);
    this.#order.forget();
    return linked;
  }

  #unlinked(from: number, limit: number, isReverse: boolean): UnlinkedIterator {
    const nodes = this.#order.nodes(this.generation, from, limit);
    return new UnlinkedIterator(this.#words, this.bytes, nodes, limit, isReverse);
  }

  /** Whether any value in a sealed memtable expires, counting all versions of a key. */
  get hasExpiring(): boolean {
    return this.#words[Word.hasExpiring] === 1;
  }

  /** The number of published entries, counting all versions of a key. */
  get entries(): number {
    return this.#publishedTotal(Total.entries, Total.entries);
  }

  /** Published bytes of keys and values, counting all versions, without headers. */
  get rawBytes(): number {
    return this.#publishedTotal(Total.rawBytesLow, Total.rawBytesHigh);
  }

  /** The bytes of the arena that published entries take, including fixed parts. */
  get usedBytes(): number {
    return this.publishedOffset;
  }

  /** The bytes of the arena that published entries take, without fixed parts. */
  get contentBytes(): number {
    return this.publishedOffset - this.#start;
  }

  /** The smallest published timestamp; MAX_TIMESTAMP when nothing is published. */
  get smallestTimestamp(): number {
    return this.#publishedTotal(Total.smallestLow, Total.smallestHigh);
  }

  /** The largest published timestamp; 0 when nothing is published. */
  get largestTimestamp(): number {
    return this.#publishedTotal(Total.largestLow, Total.largestHigh);
  }

  /** A published total of one word (`high` the same as `low`) or of two words of the same publication. */
  #publishedTotal(low: number, high: number): number {
    const words = this.#words;
    for (;;) {
      // All three loads are atomic and so in order. An unchanged version means that nobody wrote to this copy
      // meanwhile, because the writer uses it again only after it has stored the next version.
      const version = Atomics.load(words, Word.totalsVersion);
      const at = Word.totals + (version & 1) * TOTALS_WORDS;
      const lower = Atomics.load(words, at + low) >>> 0;
      const upper = high === low ? 0 : Atomics.load(words, at + high);
      if (Atomics.load(words, Word.totalsVersion) === version) return joinWords(lower, upper);
    }
  }

  /** Word index of the key's slot, or of the free slot where it belongs. */
  #probe(key: Uint8Array, start: number, end: number, hash: number): number {
    const words = this.#words;
    const mask = this.#slotMask;
    for (let index = hash & mask; ; index = (index + 1) & mask) {
      const slot = words[INDEX_WORD + index];
      if (slot === 0) return INDEX_WORD + index;
      if ((slot ^ hash) >>> SLOT_TAG_SHIFT !== 0) continue;
      if (this.#hasKey((slot & SLOT_OFFSET_MASK) << 2, key, start, end)) return INDEX_WORD + index;
    }
  }

  #hasKey(node: number, key: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (this.#words[(node >>> 2) + 1] !== length) return false;
    const bytes = this.bytes;
    const from = node + NODE_HEADER_BYTES;
    // Backwards, because keys of the same length mostly share their beginning too.
    for (let i = length - 1; i >= 0; i--) if (bytes[from + i] !== key[start + i]) return false;
    return true;
  }

  /** Where a new allocation starts, behind its header, or 0 when the arena is full. */
  #allocate(header: number, size: number): number {
    const start = this.#words[Word.used] + ALLOCATION_HEADER_BYTES;
    if (start + size > this.bytes.length) return 0;
    this.#words[(start - ALLOCATION_HEADER_BYTES) >>> 2] = header;
    this.#words[Word.used] = start + size;
    return start;
  }

  /** Allocates and writes the node of a new key with its first entry, and links it. Returns 0 when the arena is full. */
  #insertKey(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
    isLinked: boolean,
  ): number {
    const words = this.#words;
    const height = this.#drawHeight();
    const keyLength = keyEnd - keyStart;
    const nodeBytes = 4 * height + NODE_HEADER_BYTES + aligned(keyLength);
    const start = this.#allocate(-height, nodeBytes + ENTRY_HEADER_BYTES + aligned(recordEnd - recordStart));
    if (start === 0) return 0;
    const node = start + 4 * height;
    const entry = start + nodeBytes;
    words[node >>> 2] = entry;
    words[(node >>> 2) + 1] = keyLength;
    copyBytes(keyBytes, keyStart, keyEnd, this.bytes, node + NODE_HEADER_BYTES);
    this.#writeEntry(entry, 0, recordBytes, recordStart, recordEnd);
    // A reader that sees the old height starts lower and only takes more steps.
    if (height > words[Word.height]) words[Word.height] = height;
    // Behind one that is not linked none is: `linkNew` links all from there on.
    if (this.#lateLinks.from !== 0) return node;
    if (isLinked) this.#position.link(node, height);
    else if (!this.#position.linkAtEnd(node, height)) this.#lateLinks.begin(start - ALLOCATION_HEADER_BYTES);
    return node;
  }

  #writeEntry(entry: number, older: number, recordBytes: Uint8Array, start: number, end: number): void {
    this.#words[entry >>> 2] = older;
    this.#words[(entry >>> 2) + 1] = end - start;
    copyBytes(recordBytes, start, end, this.bytes, entry + ENTRY_HEADER_BYTES);
  }

  /**
   * Draws 1 with probability 3/4, and each further level with 1/4 of the probability of the one below. No key can
   * influence it, and nobody can predict it.
   */
  #drawHeight(): number {
    let state = this.#words[Word.random];
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#words[Word.random] = state;
    // Half of the zeros at the end of a random word have just this distribution.
    const height = 1 + ((31 - Math.clz32(state & -state)) >> 1);
    return Math.min(height, MAX_HEIGHT);
  }

  #count(bytes: number, timestamp: number): void {
    this.#words[Word.entries]++;
    this.#doubles[RAW_BYTES_DOUBLE] += bytes;
    if (timestamp < this.#doubles[SMALLEST_TIMESTAMP_DOUBLE])
      this.#doubles[SMALLEST_TIMESTAMP_DOUBLE] = timestamp;
    if (timestamp > this.#doubles[LARGEST_TIMESTAMP_DOUBLE])
      this.#doubles[LARGEST_TIMESTAMP_DOUBLE] = timestamp;
  }
}
