/**
 * The record with the promises of 256 slots, drawn in `../FORMAT.md`. Few pairs of timestamps occur in it, because a
 * round has one timestamp for many slots: each pair stands there once, and a byte for each slot says which is its own.
 * Pure.
 */
import { GROUP_SLOTS } from './digest-tree.ts';

const FORMAT = 1;
const BASIS_BYTES = 16;
const PAIR_COUNT_AT = 1 + BASIS_BYTES;
const PAIRS_AT = PAIR_COUNT_AT + 1;
const PAIR_BYTES = 16;

export interface GroupPromises {
  /** What the settled timestamps stand on; BASIS_BYTES long. */
  readonly basis: Uint8Array;
  readonly barred: Float64Array;
  readonly settled: Float64Array;
}

/** The pairs of the record that is being made: made once, as a round makes hundreds of records. */
const PAIRS_BARRED = new Float64Array(GROUP_SLOTS);
const PAIRS_SETTLED = new Float64Array(GROUP_SLOTS);

export function encodePromises({ basis, barred, settled }: GroupPromises): Uint8Array {
  const pairOf = new Uint8Array(GROUP_SLOTS);
  let pairs = 0;
  let pair = -1;
  for (let slot = 0; slot < GROUP_SLOTS; slot++) {
    const slotBarred = barred[slot];
    const slotSettled = settled[slot];
    // Many slots have the pair of the one before.
    if (pair < 0 || PAIRS_BARRED[pair] !== slotBarred || PAIRS_SETTLED[pair] !== slotSettled) {
      pair = 0;
      while (pair < pairs && (PAIRS_BARRED[pair] !== slotBarred || PAIRS_SETTLED[pair] !== slotSettled))
        pair++;
      if (pair === pairs) {
        PAIRS_BARRED[pair] = slotBarred;
        PAIRS_SETTLED[pair] = slotSettled;
        pairs++;
      }
    }
    pairOf[slot] = pair;
  }
  const slotsAt = PAIRS_AT + pairs * PAIR_BYTES;
  const bytes = Buffer.allocUnsafe(slotsAt + GROUP_SLOTS);
  bytes[0] = FORMAT;
  bytes.set(basis, 1);
  // There is one at least, and 256 do not fit into a byte.
  bytes[PAIR_COUNT_AT] = pairs - 1;
  for (pair = 0; pair < pairs; pair++) {
    bytes.writeDoubleLE(PAIRS_BARRED[pair], PAIRS_AT + pair * PAIR_BYTES);
    bytes.writeDoubleLE(PAIRS_SETTLED[pair], PAIRS_AT + pair * PAIR_BYTES + 8);
  }
  bytes.set(pairOf, slotsAt);
  return bytes;
}

/** Null: it is no such record. */
export function decodePromises(value: Uint8Array): GroupPromises | null {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < PAIRS_AT || bytes[0] !== FORMAT) return null;
  const count = bytes[PAIR_COUNT_AT] + 1;
  const slotsAt = PAIRS_AT + count * PAIR_BYTES;
  if (bytes.length !== slotsAt + GROUP_SLOTS) return null;
  const barred = new Float64Array(GROUP_SLOTS);
  const settled = new Float64Array(GROUP_SLOTS);
  for (let slot = 0; slot < GROUP_SLOTS; slot++) {
    const index = bytes[slotsAt + slot];
    if (index >= count) return null;
    barred[slot] = bytes.readDoubleLE(PAIRS_AT + index * PAIR_BYTES);
    settled[slot] = bytes.readDoubleLE(PAIRS_AT + index * PAIR_BYTES + 8);
    if (!(settled[slot] >= 0 && settled[slot] <= barred[slot])) return null;
  }
  return { basis: bytes.subarray(1, PAIR_COUNT_AT), barred, settled };
}
