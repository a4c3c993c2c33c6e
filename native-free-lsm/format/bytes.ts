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
