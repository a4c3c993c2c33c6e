import { checksum } from '../format/checksum.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../format/integers.ts';
import { RangeFragments } from './fragments.ts';

/**
 * Range tombstones as a table has them, in key order, none overlapping another. Integers are little-endian. Magic and
 * checksum are for whoever looks for them in a file of which footer or directory is damaged: what they have deleted must
 * not come back.
 *
 *   8        magic: "nflrange"
 *   u32      bytes of all that follows
 *   u32      checksum of that
 *   u32      pieces
 *   for each: u32 bytes of the start
 *             u32 bytes of the end, and 1; 0: there is no end
 *             u64 timestamp
 *             start, end
 */
export const FRAGMENTS_MAGIC = Buffer.from('nflrange');
const LENGTH_AT = 8;
const CHECKSUM_AT = 12;
const COUNT_AT = 16;
const FIRST_AT = 20;
const PIECE_HEAD_BYTES = 16;

export function encodeFragments(fragments: RangeFragments): Uint8Array {
  let bytes = FIRST_AT;
  for (const { start, end } of fragments) bytes += PIECE_HEAD_BYTES + start.length + (end?.length ?? 0);
  const target = new Uint8Array(bytes);
  target.set(FRAGMENTS_MAGIC);
  writeUint32(target, LENGTH_AT, bytes - COUNT_AT);
  writeUint32(target, COUNT_AT, fragments.count);
  let at = FIRST_AT;
  for (const { start, end, timestamp } of fragments) {
    writeUint32(target, at, start.length);
    writeUint32(target, at + 4, end === null ? 0 : end.length + 1);
    writeUint53(target, at + 8, timestamp);
    target.set(start, at + PIECE_HEAD_BYTES);
    at += PIECE_HEAD_BYTES + start.length;
    if (end === null) continue;
    target.set(end, at);
    at += end.length;
  }
  writeUint32(target, CHECKSUM_AT, checksum(target, COUNT_AT, target.length));
  return target;
}

/** The length of what begins at `at`, if it is a whole list of range tombstones; -1: it is none. */
export function fragmentsLength(bytes: Uint8Array, at: number): number {
  if (at + FIRST_AT > bytes.length) return -1;
  const end = at + COUNT_AT + readUint32(bytes, at + LENGTH_AT);
  const isWhole = end <= bytes.length && FRAGMENTS_MAGIC.every((byte, i) => bytes[at + i] === byte);
  if (!isWhole || checksum(bytes, at + COUNT_AT, end) !== readUint32(bytes, at + CHECKSUM_AT)) return -1;
  return end - at;
}

/**
 * The keys are views of `memory`.
 * @throws Error that says what is wrong; the caller names the place
 */
export function decodeFragments(memory: ArrayBufferLike): RangeFragments {
  const bytes = new Uint8Array(memory);
  const fragments = new RangeFragments();
  if (fragmentsLength(bytes, 0) !== bytes.length)
    throw new Error('the range tombstones do not match their checksum');
  let at = FIRST_AT;
  for (let left = readUint32(bytes, COUNT_AT); left > 0; left--) {
    if (at + PIECE_HEAD_BYTES > bytes.length) throw new Error('a range tombstone ends inside its head');
    const startEnd = at + PIECE_HEAD_BYTES + readUint32(bytes, at);
    const endLength = readUint32(bytes, at + 4);
    const end = startEnd + Math.max(0, endLength - 1);
    if (end > bytes.length) throw new Error('a range tombstone leaves its part of the table');
    if (bytes[at + 15] !== 0 || bytes[at + 14] > 0x1f)
      throw new Error('the timestamp of a range tombstone is above 53 bits');
    const start = bytes.subarray(at + PIECE_HEAD_BYTES, startEnd);
    const timestamp = readUint53(bytes, at + 8);
    if (!fragments.extend(start, endLength === 0 ? null : bytes.subarray(startEnd, end), timestamp))
      throw new Error('the range tombstones are not in order');
    at = end;
  }
  if (at !== bytes.length) throw new Error('bytes behind the last range tombstone');
  return fragments;
}
