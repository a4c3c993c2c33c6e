/**
 * Keys map to slots. There are so many slots that the shares of ten nodes differ little, and so few that what is known
 * of each fits into memory. Which slot a key has decides which nodes of a cluster hold it, and it is part of every
 * table: it must stay the same for as long as data lives. Pure.
 */
import { murmur3 } from './murmur3.ts';

const SLOT_BITS = 16;
/** How many slots there are: slots are whole numbers below it. */
export const SLOT_COUNT = 2 ** SLOT_BITS;

/**
 * Any constant will do that Bloom filters do not use. A node's tables hold only keys of the slots that the node has. If
 * a slot were some bits of the hash that Bloom filters use, all keys of a slot would share these bits, crowd into the
 * same parts of a filter, and the filter would let through more than its size promises.
 */
const SLOT_SEED = 0x51_07_5e_ed;

/** The slot of the key in `key[start, end)`. */
export function slotOf(key: Uint8Array, start = 0, end = key.length): number {
  return murmur3(key, start, end, SLOT_SEED) >>> (32 - SLOT_BITS);
}
