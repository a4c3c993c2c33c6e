import { copyBytes } from './bytes.ts';

/** A copy of `source[start, end)` in memory of its own, so that nothing else is kept alive or posted with it. */
export function ownBytes(source: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  copyBytes(source, start, end, copy, 0);
  return copy;
}

/** `bytes` if it holds `lengthBytes`, else a larger copy of its first `usedBytes`. */
export function withRoom(bytes: Uint8Array, usedBytes: number, lengthBytes: number): Uint8Array {
  if (bytes.length >= lengthBytes) return bytes;
  const larger = new Uint8Array(Math.max(lengthBytes, bytes.length * 2));
  copyBytes(bytes, 0, usedBytes, larger, 0);
  return larger;
}
