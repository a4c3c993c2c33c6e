import { copyBytes } from '../format/bytes.ts';
import { withRoom } from '../format/copy.ts';
import { IndexCodes } from './index-codes.ts';
import { commonPrefixBytes } from './separator.ts';
import { Spares } from './spares.ts';

/**
 * The index of a table: for each data block a key at or above all of its keys and under all of the next one's
 * (the last block has its last key), and where the block lies. The bytes of the file are the form in memory:
 *
 *   u32       n, data blocks, at least 1
 *   u32       g, groups of blocks, at least 1
 *   16 × n    u32 key       where its key's own bytes start, counted from the index's start; they end where those of
 *                           the next one start
 *             u32 offset    where the block starts in the file; it and its trailer end where the next one starts
 *             u32 shared    leading bytes that the key has in common with its base and that are left out
 *             u32 memory    bytes of the block in memory, uncompressed
 *   u32       where the last key ends: the end of the index
 *   u32       where the last block's trailer ends
 *   4 × g     the first block of each group, in ascending order; the first is 0
 *   keys      the keys' own bytes, one after another
 *
 * The key that begins a group is the base of the others in it; the first key of all is the base of those that begin
 * groups, and stands whole. So a search needs no key put together, and long keys cost little where they begin alike:
 * a group goes on for as long as its keys do.
 *
 * Numbers are read through a Uint32Array: little-endian, as in the file, on every processor Node runs on but
 * s390x, which is not supported.
 */
const ENTRIES = 2;
const ENTRY_WORDS = 4;
/** The words of an entry. What follows the last entry begins like one. */
const KEY = 0;
const OFFSET = 1;
const SHARED = 2;
const MEMORY = 3;
const END_WORDS = 2;
const BLOCKS_AT_START = 1024;
/** A key may have this many bytes of its own in a group, however many it shares. */
const FREE_OWN_BYTES = 64;

/** Index of the first word of an entry. */
function entryAt(ordinal: number): number {
  return ENTRIES + ordinal * ENTRY_WORDS;
}

/** Reads a stored index. Each thread makes one. */
export class TableIndex {
  readonly blockCount: number;
  readonly #words: Uint32Array;
  readonly #bytes: Uint8Array;
  readonly #trailerBytes: number;
  /** Index of the word that names the first group. */
  readonly #groupsAt: number;
  readonly #groups: number;
  /** Where all keys have the same base, and a key was looked for. */
  #codes: IndexCodes | null = null;
  /** Set by the last `#countBelow`: what the last key below the wanted one has in common with it. */
  #matched = 0;

  /**
   * @param memory begins with an index in which `indexFault` found nothing
   * @param trailerBytes the size of the trailer that follows each block in the file
   */
  constructor(memory: SharedArrayBuffer, trailerBytes: number) {
    this.#bytes = new Uint8Array(memory);
    this.#words = new Uint32Array(memory, 0, memory.byteLength >>> 2);
    this.#trailerBytes = trailerBytes;
    this.blockCount = this.#words[0];
    this.#groups = this.#words[1];
    this.#groupsAt = entryAt(this.blockCount) + END_WORDS;
  }

  blockOffset(ordinal: number): number {
    return this.#words[entryAt(ordinal) + OFFSET];
  }

  /** The size without the trailer. */
  diskBytes(ordinal: number): number {
    return this.blockOffset(ordinal + 1) - this.blockOffset(ordinal) - this.#trailerBytes;
  }

  memoryBytes(ordinal: number): number {
    return this.#words[entryAt(ordinal) + MEMORY];
  }

  /** Whether all keys of a block are below `key[start, end)`; it may be false when they are. */
  isBelow(ordinal: number, key: Uint8Array, start: number, end: number): boolean {
    const keyLength = entryKeyBytes(this.#words, ordinal);
    const order = this.#compareLeading(ordinal, keyLength, key, start, end);
    return order === 0 ? keyLength < end - start : order < 0;
  }

  /** The first block whose key is at or above `key[start, end)`, -1 when there is none. */
  find(key: Uint8Array, start: number, end: number): number {
    const { blockCount } = this;
    const words = this.#words;
    const bytes = this.#bytes;
    const keyLength = end - start;
    // The first key is stored whole.
    const firstAt = words[ENTRIES + KEY];
    const firstLength = words[ENTRIES + ENTRY_WORDS + KEY] - firstAt;
    const comparable = Math.min(firstLength, keyLength);
    let matched = 0;
    while (matched < comparable && bytes[firstAt + matched] === key[start + matched]) matched++;
    const isBelow =
      matched === comparable ? firstLength < keyLength : bytes[firstAt + matched] < key[start + matched];
    if (!isBelow) return 0;
    let first = 1;
    let next = blockCount;
    if (this.#groups === 1) {
      // What the last key has in common with the first one all have.
      if (matched < words[entryAt(blockCount - 1) + SHARED]) return -1;
      const codes = this.#codes ?? this.#makeCodes();
      codes.search(key, start, end);
      first = Math.max(1, codes.first);
      next = codes.next;
    } else {
      // First among the keys that begin groups, then among those behind the last one below the wanted key.
      const groupsAt = this.#groupsAt;
      const group = this.#countBelow(groupsAt + 1, 0, this.#groups - 1, matched, key, start, end);
      matched = this.#matched;
      first = words[groupsAt + group] + 1;
      if (group + 1 < this.#groups) next = words[groupsAt + group + 1];
    }
    const found = first + this.#countBelow(-1, first, next - first, matched, key, start, end);
    return found < blockCount ? found : -1;
  }

  #makeCodes(): IndexCodes {
    const words = this.#words;
    const bytes = this.#bytes;
    const firstAt = words[ENTRIES + KEY];
    const common = words[entryAt(this.blockCount - 1) + SHARED];
    const codes = new IndexCodes(this.blockCount, common, (ordinal, at) => {
      const entry = entryAt(ordinal);
      const shared = words[entry + SHARED];
      if (at < shared) return bytes[firstAt + at];
      return at < entryKeyBytes(words, ordinal) ? bytes[words[entry + KEY] - shared + at] : 0;
    });
    this.#codes = codes;
    return codes;
  }

  /**
   * How many of some entries have keys below the wanted one. The entries share a base, which is below the wanted key
   * and has `matched` leading bytes in common with it.
   * @param list index of the words that name the entries; -1: the entries are `first` and those behind it
   */
  #countBelow(
    list: number,
    first: number,
    count: number,
    matched: number,
    key: Uint8Array,
    start: number,
    end: number,
  ): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const keyLength = end - start;
    let low = 0;
    let high = count;
    // Every key between two others has at least as much in common with the wanted one as the one of them that has less.
    let lowMatched = matched;
    let highMatched = matched;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = entryAt(list === -1 ? first + middle : words[list + middle]);
      const shared = words[entry + SHARED];
      // Where the entry differs from the base, either the wanted key does not differ yet (the entry is above), or it
      // differs already (the entry is below).
      if (shared !== matched) {
        if (shared < matched) high = middle;
        else {
          low = middle + 1;
          lowMatched = matched;
        }
        continue;
      }
      const own = words[entry + KEY] - shared;
      const length = words[entry + ENTRY_WORDS + KEY] - own;
      const comparable = Math.min(length, keyLength);
      let same = Math.min(lowMatched, highMatched);
      while (same < comparable && bytes[own + same] === key[start + same]) same++;
      const below = same === comparable ? length < keyLength : bytes[own + same] < key[start + same];
      if (below) {
        low = middle + 1;
        lowMatched = same;
      } else {
        high = middle;
        highMatched = same;
      }
    }
    this.#matched = lowMatched;
    return low;
  }

  /** Compares the first `length` bytes of an entry's key with the wanted key; 0: the wanted key begins with them. */
  #compareLeading(ordinal: number, length: number, key: Uint8Array, start: number, end: number): number {
    const words = this.#words;
    const entry = entryAt(ordinal);
    const shared = words[entry + SHARED];
    const fromBase = Math.min(shared, length);
    if (fromBase > 0) {
      const base = baseOf(words, this.#groupsAt, this.#groups, ordinal);
      const order = this.#compareLeading(base, fromBase, key, start, end);
      if (order !== 0) return order;
    }
    const bytes = this.#bytes;
    const own = words[entry + KEY] - shared;
    const comparable = Math.min(length, end - start);
    for (let at = fromBase; at < comparable; at++) {
      const difference = bytes[own + at] - key[start + at];
      if (difference !== 0) return difference;
    }
    return length - comparable;
  }
}

function entryKeyBytes(words: Uint32Array, ordinal: number): number {
  const entry = entryAt(ordinal);
  return words[entry + SHARED] + words[entry + ENTRY_WORDS + KEY] - words[entry + KEY];
}

/** The entry whose leading bytes another entry's key leaves out. The first entry has none. */
function baseOf(words: Uint32Array, groupsAt: number, groups: number, ordinal: number): number {
  let low = 0;
  let high = groups;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (words[groupsAt + middle] <= ordinal) low = middle;
    else high = middle;
  }
  const head = words[groupsAt + low];
  return head === ordinal ? 0 : head;
}

/**
 * Says what is wrong with a stored index; undefined when nothing is.
 * @param dataBytes the part of the file that data blocks must fill without gaps
 * @param trailerBytes the size of the trailer that follows each block in the file
 * @param lengthBytes of the index, with which `memory` begins
 */
export function indexFault(
  memory: SharedArrayBuffer,
  dataBytes: number,
  trailerBytes: number,
  lengthBytes = memory.byteLength,
): string | undefined {
  const words = new Uint32Array(memory, 0, lengthBytes >>> 2);
  const [blocks, groups] = words.length < ENTRIES ? [0, 0] : words;
  if (blocks === 0) return 'an index without blocks';
  const groupsAt = entryAt(blocks) + END_WORDS;
  const keysStart = (groupsAt + groups) * 4;
  if (keysStart > lengthBytes)
    return `${blocks} blocks in ${groups} groups do not fit in an index of ${lengthBytes} bytes`;
  const end = entryAt(blocks);
  if (words[entryAt(0) + KEY] !== keysStart || words[end + KEY] !== lengthBytes)
    return 'the keys of the index do not fill it';
  if (words[entryAt(0) + OFFSET] !== 0) return 'block 0 does not start where the file does';
  if (words[end + OFFSET] !== dataBytes)
    return `blocks of ${words[end + OFFSET]} bytes in a file with ${dataBytes} bytes of them`;
  if (groups === 0 || words[groupsAt] !== 0) return 'the first group does not begin with block 0';
  for (let group = 1; group < groups; group++) {
    const first = words[groupsAt + group];
    if (first <= words[groupsAt + group - 1] || first >= blocks)
      return `group ${group} does not begin behind the one before it`;
  }
  for (let ordinal = 0; ordinal < blocks; ordinal++) {
    const entry = entryAt(ordinal);
    const next = entry + ENTRY_WORDS;
    if (words[next + KEY] < words[entry + KEY])
      return `the key of block ${ordinal} does not end behind its start`;
    const shareable = ordinal === 0 ? 0 : entryKeyBytes(words, baseOf(words, groupsAt, groups, ordinal));
    if (words[entry + SHARED] > shareable)
      return `the key of block ${ordinal} shares more bytes than its base has`;
    const diskBytes = words[next + OFFSET] - words[entry + OFFSET] - trailerBytes;
    if (diskBytes < 0) return `block ${ordinal} does not end before the next one starts`;
    if (diskBytes > words[entry + MEMORY]) return `block ${ordinal} is larger in the file than in memory`;
  }
  return undefined;
}

/** The memory of larger indexes is not kept. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** Builds an index while its table is written. */
export class TableIndexBuilder {
  #blocks = 0;
  #words = new Uint32Array(BLOCKS_AT_START * ENTRY_WORDS);
  #keys: Uint8Array = new Uint8Array(BLOCKS_AT_START * 16);
  #keysEnd = 0;
  #dataEnd = 0;
  #finished = new Uint32Array(0);
  /** The first block of each group. */
  #groups: number[] = [];
  /** The first key, and the key that begins the current group. */
  readonly #first = new WholeKey();
  readonly #head = new WholeKey();
  /** How the last key would be stored: without this many leading bytes, or at the beginning of a group. */
  #shared = 0;
  #beginsGroup = true;

  /** A builder that nobody else uses. */
  static take(): TableIndexBuilder {
    return spares.take();
  }

  /** Call it once, when it is not used any more: it then serves for the next table. */
  release(): void {
    if (this.#words.byteLength + this.#keys.length + this.#finished.byteLength > MAX_KEPT_BYTES) return;
    this.#blocks = 0;
    this.#keysEnd = 0;
    this.#dataEnd = 0;
    this.#groups = [];
    this.#first.clear();
    this.#head.clear();
    this.#shared = 0;
    this.#beginsGroup = true;
    spares.giveBack(this);
  }

  get sizeBytes(): number {
    return (entryAt(this.#blocks) + END_WORDS + this.#groups.length) * 4 + this.#keysEnd;
  }

  /** How much the index would grow with a block of this key. */
  entryBytes(key: Uint8Array, length: number): number {
    this.#fit(key, length);
    return (ENTRY_WORDS + (this.#beginsGroup ? 1 : 0)) * 4 + length - this.#shared;
  }

  /**
   * @param end where the block's trailer ends in the file
   * @param key at or above all keys of the block, under all of the next one's
   */
  addBlock(offset: number, end: number, memoryBytes: number, key: Uint8Array, length: number): void {
    const entry = this.#blocks * ENTRY_WORDS;
    if (entry === this.#words.length) {
      const larger = new Uint32Array(this.#words.length * 2);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#fit(key, length);
    const shared = this.#shared;
    // Where the keys start is known once all blocks are added.
    this.#words[entry + KEY] = this.#keysEnd;
    this.#words[entry + OFFSET] = offset;
    this.#words[entry + SHARED] = shared;
    this.#words[entry + MEMORY] = memoryBytes;
    this.#keys = withRoom(this.#keys, this.#keysEnd, this.#keysEnd + length - shared);
    copyBytes(key, shared, length, this.#keys, this.#keysEnd);
    this.#keysEnd += length - shared;
    this.#dataEnd = end;
    if (this.#blocks === 0) this.#first.set(key, length);
    if (this.#beginsGroup) {
      this.#head.set(key, length);
      this.#groups.push(this.#blocks);
    }
    this.#blocks++;
  }

  /** The index as it is stored. It stays as it is until the builder is released. */
  finish(): Uint8Array {
    const end = entryAt(this.#blocks);
    const { sizeBytes } = this;
    const keysStart = sizeBytes - this.#keysEnd;
    // More than it takes, so that the indexes of tables of about one size need no other memory.
    if (this.#finished.byteLength < sizeBytes) this.#finished = new Uint32Array(sizeBytes >>> 1);
    const words = this.#finished;
    const bytes = new Uint8Array(words.buffer, 0, sizeBytes);
    words[0] = this.#blocks;
    words[1] = this.#groups.length;
    words.set(this.#words.subarray(0, this.#blocks * ENTRY_WORDS), ENTRIES);
    for (let block = 0; block < this.#blocks; block++) words[entryAt(block) + KEY] += keysStart;
    words[end + KEY] = bytes.length;
    words[end + OFFSET] = this.#dataEnd;
    words.set(this.#groups, end + END_WORDS);
    copyBytes(this.#keys, 0, this.#keysEnd, bytes, keysStart);
    return bytes;
  }

  /**
   * Begins a new group with a key that has more bytes of its own than it shares with the one that begins the current
   * group.
   */
  #fit(key: Uint8Array, length: number): void {
    this.#shared = this.#head.commonBytes(key, length);
    const own = length - this.#shared;
    this.#beginsGroup = this.#blocks === 0 || (own > FREE_OWN_BYTES && own > this.#shared);
    if (this.#beginsGroup) this.#shared = this.#first.commonBytes(key, length);
  }
}

const spares = new Spares(() => new TableIndexBuilder());

/** A copy of one key at a time; empty at first. */
class WholeKey {
  #bytes: Uint8Array = new Uint8Array(64);
  #length = 0;

  set(key: Uint8Array, length: number): void {
    this.#bytes = withRoom(this.#bytes, 0, length);
    copyBytes(key, 0, length, this.#bytes, 0);
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
  }

  commonBytes(key: Uint8Array, length: number): number {
    return commonPrefixBytes(this.#bytes, 0, this.#length, key, 0, length);
  }
}
