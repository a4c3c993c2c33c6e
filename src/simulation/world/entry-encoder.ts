/**
 * Each entry of a simulated scan as  <length of key> key <length of value> value,  lengths as u32, little-endian.
 * The engine loads it by its address, as it does with those of doors. Pure.
 */
import type { EntryEncoder } from '../../../native-free-lsm/index.ts';

const LENGTH_BYTES = 4;

export const encoder: EntryEncoder = {
  overheadBytes: 2 * LENGTH_BYTES,

  writeHead(target, at, keyBytes) {
    return writeLength(target, at, keyBytes);
  },

  writeMiddle(target, at, valueBytes) {
    return writeLength(target, at, valueBytes);
  },

  writeTail(_target, at) {
    return at;
  },
};

export interface EncodedEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The entries in the first `usedBytes` bytes. They are copies. */
export function decodeEntries(bytes: Uint8Array, usedBytes: number): EncodedEntry[] {
  const page = Buffer.from(bytes.subarray(0, usedBytes));
  const entries: EncodedEntry[] = [];
  for (let at = 0; at < page.length; ) {
    const keyAt = at + LENGTH_BYTES;
    const keyEnd = keyAt + page.readUInt32LE(at);
    const valueAt = keyEnd + LENGTH_BYTES;
    at = valueAt + page.readUInt32LE(keyEnd);
    entries.push({ key: page.subarray(keyAt, keyEnd), value: page.subarray(valueAt, at) });
  }
  return entries;
}

function writeLength(target: Uint8Array, at: number, length: number): number {
  for (let i = 0; i < LENGTH_BYTES; i++) target[at + i] = length >>> (8 * i);
  return at + LENGTH_BYTES;
}
