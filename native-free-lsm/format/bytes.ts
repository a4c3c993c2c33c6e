/** Compares two byte ranges as unsigned bytes, the shorter first when one is the other's prefix. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const shared = Math.min(aLength, bLength);
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i] - b[bStart + i];
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/**
 * MurmurHash3 x86 32-bit (Austin Appleby, public domain) of a byte range: the one hash of the engine, taken
 * once per lookup and shared by every filter it asks.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let hash = seed | 0;
  let at = start;
  for (const whole = start + ((end - start) & ~3); at < whole; at += 4) {
    let word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    word = Math.imul(word, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  const rest = end - at;
  if (rest === 3) tail = bytes[at + 2] << 16;
  if (rest >= 2) tail |= bytes[at + 1] << 8;
  if (rest >= 1) {
    tail |= bytes[at];
    tail = Math.imul(tail, 0xcc9e2d51);
    tail = (tail << 15) | (tail >>> 17);
    hash ^= Math.imul(tail, 0x1b873593);
  }
  hash ^= end - start;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const nativeCopy = Buffer.prototype.copy;

/**
 * Copies `source[start, end)` to `target` at `targetStart`; there must be room. Either may lie in shared memory.
 * Nothing is allocated, as a view for `target.set` would be: `Buffer.prototype.copy` works on every Uint8Array,
 * and below the size from which its call pays a loop is faster.
 */
export function copyBytes(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
): void {
  if (end - start > 40) {
    nativeCopy.call(source, target, targetStart, start, end);
    return;
  }
  for (let from = start, to = targetStart; from < end; from++, to++) target[to] = source[from];
}
