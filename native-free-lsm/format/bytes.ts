const nativeCompare = Buffer.prototype.compare;
/** Long ranges that begin alike are compared by a native call from here on; it pays for more than about 200 bytes. */
const LONG_BYTES = 256;
const ALIKE_BYTES = 64;

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
  const looped = shared > LONG_BYTES ? ALIKE_BYTES : shared;
  for (let i = 0; i < looped; i++) {
    const difference = a[aStart + i] - b[bStart + i];
    if (difference !== 0) return difference;
  }
  if (looped === shared) return aLength - bLength;
  return nativeCompare.call(a, b, bStart + looped, bEnd, aStart + looped, aEnd);
}

/** Behind the last byte of a range that is not zero; `start` when all are. */
export function contentEnd(bytes: Uint8Array, start: number, end: number): number {
  let behind = end;
  while (behind > start && bytes[behind - 1] === 0) behind--;
  return behind;
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
