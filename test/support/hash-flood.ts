/** Keys made to have the same hash, and the seed with which tests hash keys. */
import type { HashSeed } from '../../native-free-lsm/index.ts';

export const HASH_SEED: HashSeed = { low: 0x0706_0504, high: 0x0b0a_0908 };

const PAIR_BYTES = 8;

/**
 * 2^bits keys of `8 × bits` bytes that have the same MurmurHash3 (x86, 32 bits), whatever its seed: it stands for
 * hashes that are only fast and hide nothing from an attacker. Each key is a row of pairs of words, and each pair has
 * two forms. In the second form, the first word changes one bit of the state, which the next step moves to the top,
 * where multiplying and adding leave it; and the second word changes the top bit back. (After Aumasson and Bernstein's
 * attack of 2012.)
 */
export function murmurCollisions(bits: number): Buffer[] {
  const forms = Array.from({ length: bits }, (_, pair) => {
    const first = 0x6b65_7900 + pair;
    const second = 0x6861_7368;
    const changed = [unmix(mix(first) ^ (1 << 18)), unmix(mix(second) ^ (1 << 31))];
    return [[first, second], changed];
  });
  return Array.from({ length: 2 ** bits }, (_, number) => {
    const key = Buffer.alloc(bits * PAIR_BYTES);
    forms.forEach((form, pair) => {
      const [first, second] = form[(number >>> pair) & 1];
      key.writeInt32LE(first, pair * PAIR_BYTES);
      key.writeInt32LE(second, pair * PAIR_BYTES + 4);
    });
    return key;
  });
}

/** The hash that those keys have in common, to prove that they do. */
export function murmur3(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = seed | 0;
  for (let at = 0; at < bytes.length; at += 4) {
    hash = rotateLeft(hash ^ mix(view.getInt32(at, true)), 13);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const FACTORS = [0xcc9e2d51, 0x1b873593] as const;

function mix(word: number): number {
  return Math.imul(rotateLeft(Math.imul(word, FACTORS[0]), 15), FACTORS[1]);
}

function unmix(mixed: number): number {
  return Math.imul(rotateLeft(Math.imul(mixed, inverse(FACTORS[1])), 17), inverse(FACTORS[0]));
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The inverse of an odd factor modulo 2^32: each step doubles the number of right bits. */
function inverse(factor: number): number {
  let found = factor;
  for (let step = 0; step < 5; step++) found = Math.imul(found, 2 - Math.imul(factor, found));
  return found;
}
