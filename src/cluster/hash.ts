/**
 * The hashes of names that decide which node holds which slot. Every node of a cluster must compute the same ones for as long as the
 * cluster's data lives. The slots of keys are in native-free-lsm/format/slot.ts.
 */
import { murmur3, spreadBits } from '../../native-free-lsm/index.ts';

/** 64 bits of a name, as two integers: of a thousand names, two would now and then have the same 32 bits. */
export interface NameHash {
  readonly high: number;
  readonly low: number;
}

export function hashName(name: string): NameHash {
  const bytes = new TextEncoder().encode(name);
  return {
    high: murmur3(bytes, 0, bytes.length, 0x2545f491),
    low: murmur3(bytes, 0, bytes.length, 0x9e3779b9),
  };
}

/** The random number of a name for a slot: uniform in [0, 2^32), independent between slots and between names. */
export function draw(name: NameHash, slot: number): number {
  return spreadBits(name.high ^ spreadBits(name.low ^ Math.imul(slot + 1, 0x9e3779b1)));
}
