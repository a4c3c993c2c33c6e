/**
 * Keys map to slots, slots to nodes. There are so many slots that the shares of ten nodes differ little, and so few
 * that the lists of all slots fit into a processor's cache. Their number is part of every cluster's data.
 */
import { hashKey } from './hash.ts';

const SLOT_BITS = 16;
export const SLOT_COUNT = 2 ** SLOT_BITS;

export function slotOf(key: Uint8Array): number {
  return hashKey(key) >>> (32 - SLOT_BITS);
}
