/**
 * A fingerprint stands for a key where versions are compared: 64 bits as two integers, `high` and `low`. Its upper 16
 * bits are the key's slot, the other 48 are a keyed hash of it, HalfSipHash-1-3 (Jean-Philippe Aumasson and Daniel J.
 * Bernstein, public domain) with 64 bits of output: clients choose keys, and must not be able to choose two of one slot
 * that have the same fingerprint. Engines that are compared with each other need the same seed. Pure.
 */
import type { HashSeed } from './hash.ts';
import { slotOf } from './slot.ts';

/** Takes fingerprints of keys, one at a time, without an allocation. */
export class Fingerprinter {
  /** The slot in the upper 16 bits, hash below. */
  high = 0;
  low = 0;
  readonly #seed: HashSeed;

  constructor(seed: HashSeed) {
    this.#seed = seed;
  }

  /** Sets `high` and `low` to the fingerprint of `bytes[start, end)`. */
  take(bytes: Uint8Array, start: number, end: number): void {
    let v0 = this.#seed.low | 0;
    let v1 = this.#seed.high | 0;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    v1 ^= 0xee;
    let at = start;
    for (const whole = start + ((end - start) & ~3); at < whole; at += 4) {
      const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    // The remaining bytes, and the length.
    let word = (end - start) << 24;
    const rest = end - at;
    if (rest === 3) word |= bytes[at + 2] << 16;
    if (rest >= 2) word |= bytes[at + 1] << 8;
    if (rest >= 1) word |= bytes[at];
    let low = 0;
    // A round for that word, three for the first half of the output, three for the second.
    for (let left = 7; left > 0; left--) {
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      if (left === 7) {
        v0 ^= word;
        v2 ^= 0xee;
        word = 0;
      } else if (left === 4) {
        low = v1 ^ v3;
        v1 ^= 0xdd;
      }
    }
    this.low = low >>> 0;
    this.high = ((slotOf(bytes, start, end) << 16) | ((v1 ^ v3) & 0xffff)) >>> 0;
  }
}

/** The slot of the key that has this fingerprint. */
export function slotOfFingerprint(high: number): number {
  return high >>> 16;
}
