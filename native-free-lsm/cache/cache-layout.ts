/**
 * Where everything lies in a block cache's two pieces of shared memory.
 *
 * `data` is gone through as a ring of regions, one behind another, each a multiple of 16 bytes:
 *
 *   0   u32  table id      \
 *   4   u32  ordinal        | the main thread writes them before the region can be found
 *   8   u32  block length  /
 *  12   u8   state         main thread
 *  13   u8   1 when the block was used: a hint; any thread sets it, the main thread clears it
 *  16        the block: whoever fills the reservation, until it is published
 *
 * A *slot* names a region: the offset of its block / 16, so never 0.
 *
 * `index` is a hash table of pairs of words, (hash, slot), open addressing, slot 0 when free. Main thread only.
 */
import { LsmError } from '../errors.ts';

export interface BlockCacheMemory {
  readonly data: SharedArrayBuffer;
  readonly index: SharedArrayBuffer;
}

export const REGION_HEADER_BYTES = 16;
const REGION_UNIT_SHIFT = 4;
const MIN_BUDGET_BYTES = 4096;
const MAX_BUDGET_BYTES = 4 * 2 ** 30;
/** The index is made for blocks of this size on average; of smaller ones, fewer bytes fit. */
const BYTES_PER_ENTRY = 1024;

export const RegionState = {
  /** The rest of a lap, too short for the region that came. */
  skipped: 0,
  filling: 1,
  published: 2,
  /** Cancelled. */
  dead: 3,
} as const;

/**
 * @param budgetBytes of block data, 4 KiB to 4 GiB; the index takes 1.6 to 3.2 % on top. Pages become resident
 *   when they are first used.
 */
export function createBlockCacheMemory(budgetBytes: number): BlockCacheMemory {
  if (!(budgetBytes >= MIN_BUDGET_BYTES && budgetBytes <= MAX_BUDGET_BYTES)) {
    const range = `${MIN_BUDGET_BYTES} bytes to ${MAX_BUDGET_BYTES} bytes`;
    throw new LsmError('INVALID_ARGUMENT', `a block cache of ${budgetBytes} bytes: give ${range}`);
  }
  const dataBytes = Math.floor(budgetBytes / REGION_HEADER_BYTES) * REGION_HEADER_BYTES;
  const pairs = 2 ** Math.ceil(Math.log2((2 * dataBytes) / BYTES_PER_ENTRY));
  return { data: new SharedArrayBuffer(dataBytes), index: new SharedArrayBuffer(8 * pairs) };
}

export function regionBytes(blockBytes: number): number {
  return REGION_HEADER_BYTES + ((blockBytes + REGION_HEADER_BYTES - 1) & -REGION_HEADER_BYTES);
}

/** Where the block of a slot starts in the data. */
export function slotStart(slot: number): number {
  return slot * REGION_HEADER_BYTES;
}

/** Indexes of a region's words, by its slot. */
export function tableWord(slot: number): number {
  return (slot << (REGION_UNIT_SHIFT - 2)) - 4;
}
export function ordinalWord(slot: number): number {
  return (slot << (REGION_UNIT_SHIFT - 2)) - 3;
}
export function lengthWord(slot: number): number {
  return (slot << (REGION_UNIT_SHIFT - 2)) - 2;
}

/** Indexes of a region's flag bytes, by its slot. */
export function stateByte(slot: number): number {
  return slot * REGION_HEADER_BYTES - 4;
}
export function usedByte(slot: number): number {
  return slot * REGION_HEADER_BYTES - 3;
}

/** Spreads (table, ordinal) over 32 bits, as MurmurHash3 ends. */
export function blockHash(tableId: number, ordinal: number): number {
  let hash = Math.imul(tableId, 0xcc9e2d51) ^ Math.imul(ordinal, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
