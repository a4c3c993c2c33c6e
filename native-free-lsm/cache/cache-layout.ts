/**
 * Where everything lies in a block cache's shared memory.
 *
 *   0    u32  how many units of 16 bytes the data takes, this one included; fixed at creation
 *   4    u32  seed of the index's hash; fixed at creation
 *   16   data: a ring of regions that follow one another, each a multiple of 16 bytes
 *   ...  index, behind the data: a hash table of pairs of words, (hash, slot), open addressing, slot 0 when free;
 *        the main thread alone writes it
 *
 * Region:
 *
 *   0    u32  table id      \
 *   4    u32  ordinal        | the main thread writes them before the region can be found
 *   8    u32  block length  /
 *  12    u8   state         main thread
 *  13    u8   1 when the block was used: a hint; any thread sets it, the main thread clears it
 *  16         the block: whoever fills the reservation, until it is published
 *
 * A *slot* names a region: the offset of its block / 16.
 */
import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';

export const REGION_UNIT_BYTES = 16;
const MIN_BUDGET_BYTES = 4096;
/** Offsets are passed as u32. */
const MAX_BUDGET_BYTES = 4 * 2 ** 30;
/** The index has room for blocks of this size on average; when they are smaller, fewer bytes fit. */
const BYTES_PER_ENTRY = 1024;

export const RegionState = {
  /** The rest of a lap that was too short for the next region. */
  skipped: 0,
  filling: 1,
  published: 2,
  /** A reservation that was cancelled. */
  dead: 3,
} as const;

/**
 * @param budgetBytes of block data, 4 KiB to 4 GiB; the index takes 1.6 to 3.2 % more. Pages become resident when they
 *   are first used.
 */
export function createBlockCacheMemory(budgetBytes: number, seed: HashSeed): SharedArrayBuffer {
  if (!(budgetBytes >= MIN_BUDGET_BYTES && budgetBytes <= MAX_BUDGET_BYTES)) {
    const range = `${MIN_BUDGET_BYTES} bytes to ${MAX_BUDGET_BYTES} bytes`;
    throw new LsmError('INVALID_ARGUMENT', `a block cache of ${budgetBytes} bytes: give ${range}`);
  }
  const units = Math.floor(budgetBytes / REGION_UNIT_BYTES);
  const pairs = 2 ** Math.ceil(Math.log2((2 * budgetBytes) / BYTES_PER_ENTRY));
  const memory = new SharedArrayBuffer(units * REGION_UNIT_BYTES + 8 * pairs);
  new Uint32Array(memory, 0, 2).set([units, seed.low]);
  return memory;
}

/** Bytes from the start of the memory to the end of the data. */
export function dataEnd(memory: SharedArrayBuffer): number {
  return new Uint32Array(memory, 0, 1)[0] * REGION_UNIT_BYTES;
}

export function regionBytes(blockBytes: number): number {
  return REGION_UNIT_BYTES + ((blockBytes + REGION_UNIT_BYTES - 1) & -REGION_UNIT_BYTES);
}

/** Where the block of a slot starts in the data. */
export function slotStart(slot: number): number {
  return slot * REGION_UNIT_BYTES;
}

/** Indexes of a region's words, by its slot. */
export function tableWord(slot: number): number {
  return 4 * slot - 4;
}
export function ordinalWord(slot: number): number {
  return 4 * slot - 3;
}
export function lengthWord(slot: number): number {
  return 4 * slot - 2;
}

/** Indexes of a region's flag bytes, by its slot. */
export function stateByte(slot: number): number {
  return slot * REGION_UNIT_BYTES - 4;
}
export function usedByte(slot: number): number {
  return slot * REGION_UNIT_BYTES - 3;
}

/** The seed of the index's hashes. */
export function blockHashSeed(memory: SharedArrayBuffer): number {
  return new Int32Array(memory, 4, 1)[0];
}

/**
 * Spreads (table, ordinal) over 32 bits, as MurmurHash3 ends. Who chooses the keys of reads chooses blocks, but without
 * the seed nobody knows which of them collide.
 */
export function blockHash(tableId: number, ordinal: number, seed: number): number {
  let hash = Math.imul(tableId ^ seed, 0xcc9e2d51) ^ Math.imul(ordinal, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
