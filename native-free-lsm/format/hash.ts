/**
 * The only hash of keys in the engine. It is computed once per lookup and shared by every memtable and filter:
 * HalfSipHash-1-3 with 32 bits (Jean-Philippe Aumasson and Daniel J. Bernstein, public domain), which Linux uses for
 * its hash tables.
 *
 * Keys come from clients. Who can compute the hash can make any number of keys with the same one, and in a hash table
 * every lookup of one of them would pass all others. So the hash begins with a secret. Seeding a hash that is only fast
 * does not help: for MurmurHash3 there are such keys for all seeds at once.
 */

/** The secret of a directory's hashes: 64 bits as two integers of 32 bits. */
export interface HashSeed {
  readonly low: number;
  readonly high: number;
}

/**
 * HalfSipHash-1-3 with 32 bits of `bytes[start, end)`, keyed by the seed: who does not know that cannot make keys that
 * collide (Aumasson and Bernstein, "SipHash: a fast short-input PRF").
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed: HashSeed): number {
  return signedHash(bytes, start, end, seed) >>> 0;
}

/** The same as a signed number: what is beyond 31 bits V8 returns in memory of its own, which soon is garbage. */
function signedHash(bytes: Uint8Array, start: number, end: number, seed: HashSeed): number {
  let v0 = seed.low | 0;
  let v1 = seed.high | 0;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
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
  // The same round for that word, and three more to finish. (One loop for both would take half as long again.)
  for (let left = 4; left > 0; left--) {
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
    if (left < 4) continue;
    v0 ^= word;
    v2 ^= 0xff;
    word = 0;
  }
  return v1 ^ v3;
}
