/**
 * The hashes that decide which node holds what. Every node of a cluster must compute the same ones for as long as the
 * cluster's data lives. So these functions are apart from the storage engine's, and must not change with those, nor for
 * speed alone.
 */

/**
 * Any constant will do that the engine does not use. A node's tables hold only keys of the slots that the node has. If
 * a slot were some bits of the hash that Bloom filters use, all keys of a slot would share these bits, crowd into the
 * same parts of a filter, and the filter would let through more than its size promises.
 */
const SLOT_SEED = 0x51_07_5e_ed;

/** MurmurHash3 x86 32-bit (Austin Appleby, public domain). */
function murmur3(bytes: Uint8Array, seed: number): number {
  const length = bytes.length;
  const whole = length & ~3;
  let hash = seed;
  for (let at = 0; at < whole; at += 4) {
    const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    hash ^= mixWord(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= whole; at--) tail = (tail << 8) | bytes[at];
  if (whole < length) hash ^= mixWord(tail);
  return finish(hash ^ length);
}

function mixWord(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

/** A permutation of the 32-bit integers that spreads every bit over all. */
function finish(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

export function hashKey(key: Uint8Array): number {
  return murmur3(key, SLOT_SEED);
}

/** 64 bits of a name, as two integers: of a thousand names, two would now and then have the same 32 bits. */
export interface NameHash {
  readonly high: number;
  readonly low: number;
}

export function hashName(name: string): NameHash {
  const bytes = new TextEncoder().encode(name);
  return { high: murmur3(bytes, 0x2545f491), low: murmur3(bytes, 0x9e3779b9) };
}

/** The random number of a name for a slot: uniform in [0, 2^32), independent between slots and between names. */
export function draw(name: NameHash, slot: number): number {
  return finish(name.high ^ finish(name.low ^ Math.imul(slot + 1, 0x9e3779b1)));
}
