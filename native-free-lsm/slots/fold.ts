import { highWord } from '../format/integers.ts';
import { spreadBits } from '../format/murmur3.ts';
import { RecordFlag } from '../format/record.ts';

/** What may be purged once its timestamp is at or below the slot's watermark: a value once its life is over. */
export const PURGEABLE = RecordFlag.tombstone | RecordFlag.hasExpiry;

/**
 * Whether a version is left out of digests where everything up to `settledTo` is settled: a tombstone, as it may have
 * been purged elsewhere. A value with an expiry may have been as well, if its life is over; but that is not known here,
 * and one that lives counts: where an owner has it alone, the others have purged the deletion that it is to hear of.
 */
export function isUncounted(flags: number, timestamp: number, settledTo: number): boolean {
  return (flags & RecordFlag.tombstone) !== 0 && timestamp <= settledTo;
}

/**
 * Adds one key's newest version to the digest of its slot, which is two words, `sums[at]` and `sums[at + 1]`. A digest
 * is a sum, so the order of keys does not matter. Each term is 64 bits that depend on every bit of fingerprint and
 * version: sums of two sets that differ are equal by chance alone, once in 2^64. What else a record says is not in it,
 * as the version says which record it is; but a value that has expired may be a tombstone of the same version by now.
 * Pure.
 */
export function addFold(
  sums: Uint32Array,
  at: number,
  fingerprintHigh: number,
  fingerprintLow: number,
  timestamp: number,
  writer: number,
): void {
  const timeHigh = highWord(timestamp);
  const timeLow = timestamp >>> 0;
  let a = spreadBits(fingerprintHigh ^ 0x9e3779b9);
  a = spreadBits((a + fingerprintLow) ^ 0x7f4a7c15);
  a = spreadBits((a + timeLow) | 0);
  a = spreadBits((a + timeHigh) ^ 0x85ebca77);
  a = spreadBits((a + writer) | 0);
  let b = spreadBits(writer ^ 0x3c6ef372);
  b = spreadBits((b + timeHigh) | 0);
  b = spreadBits((b + timeLow) ^ 0x27d4eb2f);
  b = spreadBits((b + fingerprintLow) | 0);
  b = spreadBits((b + fingerprintHigh) ^ 0x165667b1);
  sums[at] += a;
  sums[at + 1] += b;
}
