/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain). Every node of a cluster must compute the same values for as
 * long as the cluster's data lives, so it must not change, nor for speed alone. It has no secret: what clients can
 * choose must not be hashed by it where many equal values do harm, see format/hash.ts. Pure.
 */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const length = end - start;
  const whole = start + (length & ~3);
  let hash = seed;
  for (let at = start; at < whole; at += 4) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    hash ^= mixWord(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = end - 1; at >= whole; at--) tail = (tail << 8) | bytes[at];
  if (whole < end) hash ^= mixWord(tail);
  return spreadBits(hash ^ length);
}

function mixWord(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** A permutation of the 32-bit integers that spreads every bit over all. */
export function spreadBits(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
