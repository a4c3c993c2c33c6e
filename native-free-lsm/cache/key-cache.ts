import type { BlockCache } from './block-cache.ts';

/**
 * Remembers where in cached blocks keys were found, so that the next get of a key needs no filter, index or search of
 * a block to find it again (idea: the key cache of Apache Cassandra). It is the main thread's. A key has four
 * places, by its hash, of which it takes one from another; longer keys than fit have none.
 *
 *    0  f64  position of the block in the cache: it lies there until the cache's hand has passed it
 *    8  u32  id of the table
 *   12  u32  super-version in which this table was the first to have the key
 *   16  u32  \ where the record lies in the cache's memory
 *   20  u32  /
 *   24  u32  hash
 *   28  u32  bytes of the key + 1; 0 in a free place
 *   32       the key
 *
 * Before all places lie bytes of the hashes of all of them, so that looking for a key that is not here touches little
 * memory.
 */
const ENTRY_BYTES = 64;
const ENTRY_WORDS = ENTRY_BYTES / 4;
const ENTRY_DOUBLES = ENTRY_BYTES / 8;
const TABLE = 2;
const SUPER_VERSION = 3;
const RECORD_START = 4;
const RECORD_END = 5;
const HASH = 6;
const KEY_LENGTH = 7;
const KEY_AT = 32;
const MAX_KEY_BYTES = ENTRY_BYTES - KEY_AT;
const TWO_32 = 0x1_0000_0000;
/** Places that a key has. */
const WAYS = 4;
/** Of the memory for cached blocks. */
const SHARE = 1 / 6;

/** How much of the memory for cached blocks is for the places of keys. */
export function keyCacheBytes(blockCacheBytes: number): number {
  const setBytes = WAYS * (ENTRY_BYTES + 1);
  return Math.max(1, Math.floor((blockCacheBytes * SHARE) / setBytes)) * setBytes;
}

export class KeyCache {
  /** Where the key lies that `find` has found: its table, and `[recordStart, recordEnd)` in the memory of the cache. */
  tableId = 0;
  recordStart = 0;
  recordEnd = 0;
  readonly #cache: BlockCache;
  readonly #sets: number;
  readonly #tags: Uint8Array;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  /** Index of the first word of the place that `find` has found. */
  #at = 0;
  /** Which of a key's places is taken next. */
  #turn = 0;

  /** @param memoryBytes from `keyCacheBytes`; pages become resident when they are first used */
  constructor(cache: BlockCache, memoryBytes: number) {
    const entries = memoryBytes / (ENTRY_BYTES + 1);
    const memory = new ArrayBuffer(entries * ENTRY_BYTES);
    this.#cache = cache;
    this.#sets = entries / WAYS;
    this.#tags = new Uint8Array(entries);
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.#doubles = new Float64Array(memory);
  }

  /** Whether a place is known where the key was found in a table. Newer tables may have the key as well, see `isFirst`. */
  find(hash: number, key: Uint8Array): boolean {
    const tags = this.#tags;
    const tag = hash & 0xff;
    const first = this.#firstOf(hash);
    for (let entry = first; entry < first + WAYS; entry++)
      if (tags[entry] === tag && this.#has(entry, hash, key)) return true;
    return false;
  }

  #has(entry: number, hash: number, key: Uint8Array): boolean {
    const words = this.#words;
    const at = entry * ENTRY_WORDS;
    const { length } = key;
    if (words[at + HASH] !== (hash | 0) || words[at + KEY_LENGTH] !== length + 1) return false;
    if (!this.#cache.holds(this.#doubles[entry * ENTRY_DOUBLES])) return false;
    const bytes = this.#bytes;
    const keyAt = entry * ENTRY_BYTES + KEY_AT;
    for (let i = 0; i < length; i++) if (bytes[keyAt + i] !== key[i]) return false;
    this.#at = at;
    this.tableId = words[at + TABLE] >>> 0;
    this.recordStart = words[at + RECORD_START] >>> 0;
    this.recordEnd = words[at + RECORD_END] >>> 0;
    return true;
  }

  /** Whether the table is known to be the first of that super-version to have the key that `find` has found. */
  isFirst(superVersionId: number): boolean {
    if (this.#words[this.#at + SUPER_VERSION] !== (superVersionId | 0)) return false;
    this.#cache.hits++;
    return true;
  }

  /** It has turned out to be the first of that super-version. */
  confirm(superVersionId: number): void {
    this.#words[this.#at + SUPER_VERSION] = superVersionId;
    this.#cache.hits++;
  }

  /** The first record of a key was found in a cached block, of which the slot is given. */
  add(
    superVersionId: number,
    tableId: number,
    hash: number,
    key: Uint8Array,
    slot: number,
    recordStart: number,
    recordEnd: number,
  ): void {
    const { length } = key;
    if (length > MAX_KEY_BYTES) return;
    const words = this.#words;
    const entry = this.#placeFor(hash);
    const at = entry * ENTRY_WORDS;
    this.#tags[entry] = hash;
    this.#doubles[entry * ENTRY_DOUBLES] = this.#cache.positionOf(slot);
    words[at + TABLE] = tableId;
    words[at + SUPER_VERSION] = superVersionId;
    words[at + RECORD_START] = recordStart;
    words[at + RECORD_END] = recordEnd;
    words[at + HASH] = hash;
    words[at + KEY_LENGTH] = length + 1;
    const bytes = this.#bytes;
    const keyAt = entry * ENTRY_BYTES + KEY_AT;
    for (let i = 0; i < length; i++) bytes[keyAt + i] = key[i];
  }

  /** The place that has the hash already, else one of its four in turn. */
  #placeFor(hash: number): number {
    const tags = this.#tags;
    const tag = hash & 0xff;
    const first = this.#firstOf(hash);
    for (let entry = first; entry < first + WAYS; entry++)
      if (tags[entry] === tag && this.#words[entry * ENTRY_WORDS + HASH] === (hash | 0)) return entry;
    this.#turn = (this.#turn + 1) & (WAYS - 1);
    return first + this.#turn;
  }

  /** The first of the places of a hash. */
  #firstOf(hash: number): number {
    return WAYS * (((hash * this.#sets) / TWO_32) >>> 0);
  }
}
