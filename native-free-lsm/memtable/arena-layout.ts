import type { HashSeed } from '../format/hash.ts';

/**
 * Where everything lies in a memtable's arena. Offsets are bytes from its start, multiples of 4, held as u32;
 * 0 stands for none. Integers are words of the machine: an arena never leaves the process. One thread, the
 * writer, writes all of it.
 *
 *   0     header: the words below
 *   256   links of the head node, its highest level first
 *   304   head node (only its links are used)
 *   308   hash index: one word a slot, a power of two of them, at least one per 32 bytes of arena
 *   …     allocations, one behind another, up to `used`; each begins with one word: the negative height of a key node,
 *         its links then follow; or, for another version of a key, the offset of its key node; or 0 for a range
 *         tombstone
 *
 * Key node, one per distinct key, allocated together with the first entry, which lies behind it:
 *
 *   n - 4 * (level + 1)   next key node at that level, in key order, for each level of the node
 *   n                     newest entry of the key
 *   n + 4                 key length in bytes
 *   n + 8                 key, zero to three bytes of padding
 *
 * Entry, one per version of a key that was newest when it came:
 *
 *   e                     the next older entry of the same key
 *   e + 4                 record length in bytes
 *   e + 8                 record, zero to three bytes of padding
 *
 * Range tombstone, each linked to the one that came before it:
 *
 *   r                     the range tombstone before it
 *   r + 4                 timestamp, low and high word
 *   r + 12                bytes of the first key, zero to three bytes of padding behind it
 *   r + 16                bytes of the key before which it ends, and 1; 0: it goes to the last key
 *   r + 20                first key, end
 *
 * Hash slot: 0 when free, else the key node's offset / 4 in the low 26 bits and the key's highest 6 hash bits
 * above, so that most foreign keys on the probe path are passed over without a look at their node.
 */
export const MAX_ARENA_BYTES = 256 << 20;
export const MIN_ARENA_BYTES = 1024;

/** Header words by index. */
export const Word = {
  /** The generation of the memtable that is in the arena now. */
  generation: 0,
  /** Entries below this offset are visible. */
  published: 1,
  /** The end of the last allocation, where the next one starts. 0: never reset. */
  used: 2,
  /** The number of levels that have a node. */
  height: 3,
  /** The state of the xorshift generator that draws heights. */
  random: 4,
  /** A running total, published or not. The total of raw bytes is a float, see below. */
  entries: 5,
  /** Counts publications. Its lowest bit says which of the two copies of the totals is current. */
  totalsVersion: 7,
  /** Two copies, of `totalsWords` each, of the totals as published: see `Total`. */
  totals: 8,
  /** The seed of the hash index. The thread that makes the arena writes it once, and it never changes. */
  seedLow: 34,
  seedHigh: 35,
  /** The range tombstone that came last, published or not; 0: none has come. */
  newestRange: 38,
  /** All keys whose nodes lie below this offset are in the skip list. */
  linked: 39,
  /** 1: some value that was put, published or not, expires. */
  hasExpiring: 40,
} as const;

/** The words of one copy of the published totals. */
export const Total = {
  entries: 0,
  rawBytesLow: 1,
  rawBytesHigh: 2,
  smallestLow: 3,
  smallestHigh: 4,
  largestLow: 5,
  largestHigh: 6,
} as const;
export const TOTALS_WORDS = 7;

/** Running bounds of timestamps, as indexes of 8-byte floats. */
export const SMALLEST_TIMESTAMP_DOUBLE = 14;
export const LARGEST_TIMESTAMP_DOUBLE = 15;
/**
 * The running total of raw bytes, in the same form: versions share their key in the arena, so the total can exceed the
 * arena's size and 32 bits.
 */
export const RAW_BYTES_DOUBLE = 16;

/** The largest timestamp of a range tombstone: whatever is newer needs no look at them. Only the writer reads it. */
export const LARGEST_RANGE_TIMESTAMP_DOUBLE = 18;

/** With a branching of 4, 12 levels are enough for 16 million keys. */
export const MAX_HEIGHT = 12;
export const HEAD_NODE = 256 + 4 * MAX_HEIGHT;
export const INDEX_START = HEAD_NODE + 4;

export const ALLOCATION_HEADER_BYTES = 4;
export const NODE_HEADER_BYTES = 8;
export const ENTRY_HEADER_BYTES = 8;
export const RANGE_HEADER_BYTES = 20;

export const SLOT_OFFSET_MASK = 0x03ff_ffff;
export const SLOT_TAG_SHIFT = 26;
/** The smallest key with the smallest record takes 44 bytes, so at most four fifths of the slots are ever taken. */
const ARENA_BYTES_PER_SLOT = 32;

/** Memory for memtables whose keys are hashed with this seed. Call `reset` before its first use. */
export function createArena(bytes: number, { low, high }: HashSeed): SharedArrayBuffer {
  const arena = new SharedArrayBuffer(bytes);
  const words = new Int32Array(arena);
  words[Word.seedLow] = low;
  words[Word.seedHigh] = high;
  return arena;
}

export function slotCount(arenaBytes: number): number {
  return 1 << (32 - Math.clz32(Math.ceil(arenaBytes / ARENA_BYTES_PER_SLOT) - 1));
}

export function allocationsStart(arenaBytes: number): number {
  return INDEX_START + 4 * slotCount(arenaBytes);
}

/** Index of the word that links `node` to its successor at `level`. */
export function linkIndex(node: number, level: number): number {
  return (node >>> 2) - 1 - level;
}

export function aligned(bytes: number): number {
  return (bytes + 3) & ~3;
}
