import { compareBytes } from '../format/bytes.ts';
import { NODE_HEADER_BYTES } from './arena-layout.ts';

/**
 * Compares the keys of two nodes of an arena, of which the first `shared` bytes are known to be the same. Keys begin at
 * whole words, so what they have in common is passed over four bytes at a time: those of one application mostly begin
 * alike.
 */
export function compareNodes(
  words: Int32Array,
  bytes: Uint8Array,
  a: number,
  b: number,
  shared: number,
): number {
  const aLength = words[(a >>> 2) + 1];
  const bLength = words[(b >>> 2) + 1];
  const aStart = a + NODE_HEADER_BYTES;
  const bStart = b + NODE_HEADER_BYTES;
  const whole = (aLength < bLength ? aLength : bLength) >>> 2;
  let same = shared >>> 2;
  while (same < whole && words[(aStart >>> 2) + same] === words[(bStart >>> 2) + same]) same++;
  const alike = same << 2;
  return compareBytes(bytes, aStart + alike, aStart + aLength, bytes, bStart + alike, bStart + bLength);
}

/** How many bytes the keys of two nodes have in common, of which `shared` are known, and `most` at the most. */
export function sharedBytes(
  words: Int32Array,
  bytes: Uint8Array,
  a: number,
  b: number,
  shared: number,
  most: number,
): number {
  const aStart = a + NODE_HEADER_BYTES;
  const bStart = b + NODE_HEADER_BYTES;
  const bLength = words[(b >>> 2) + 1];
  // That of the other is not asked for: who compares many with one has it in `most`.
  const end = bLength < most ? bLength : most;
  const whole = end >>> 2;
  let word = shared >>> 2;
  while (word < whole && words[(aStart >>> 2) + word] === words[(bStart >>> 2) + word]) word++;
  let same = Math.max(word << 2, shared);
  while (same < end && bytes[aStart + same] === bytes[bStart + same]) same++;
  return same;
}
