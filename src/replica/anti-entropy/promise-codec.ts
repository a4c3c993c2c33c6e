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

export function encodePromises({ basis, barred, settled }: GroupPromises): Uint8Array {
  /** Slots that are the first with their pair. */
  const firsts: number[] = [];
  const pairOf = new Uint8Array(GROUP_SLOTS);
  let pair = -1;
  let pairBarred = Number.NaN;
  let pairSettled = Number.NaN;
  for (let slot = 0; slot < GROUP_SLOTS; slot++) {
    const slotBarred = barred[slot];
    const slotSettled = settled[slot];
    // Most slots have the pair of the one before.
    if (slotBarred !== pairBarred || slotSettled !== pairSettled) {
      pairBarred = slotBarred;
      pairSettled = slotSettled;
      for (pair = 0; pair < firsts.length; pair++) {
        const first = firsts[pair];
        if (barred[first] === slotBarred && settled[first] === slotSettled) break;
      }
      if (pair === firsts.length) firsts.push(slot);
    }
    pairOf[slot] = pair;
  }
  const slotsAt = PAIRS_AT + firsts.length * PAIR_BYTES;
  const bytes = Buffer.allocUnsafe(slotsAt + GROUP_SLOTS);
  bytes[0] = FORMAT;
  bytes.set(basis, 1);
  // There is one at least, and 256 do not fit into a byte.
  bytes[PAIR_COUNT_AT] = firsts.length - 1;
  for (const [pair, slot] of firsts.entries()) {
    bytes.writeDoubleLE(barred[slot], PAIRS_AT + pair * PAIR_BYTES);
    bytes.writeDoubleLE(settled[slot], PAIRS_AT + pair * PAIR_BYTES + 8);
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
