/**
 * Each entry of a scan as a MessagePack array of two binaries:  0x92  bin(key)  bin(value)
 * where bin is 0xc4 u8, 0xc5 u16 or 0xc6 u32 (big-endian length) before the bytes.
 * Pure, and loaded by the engine's reader threads.
 */
import type { EntryEncoder } from '../../../native-free-lsm/index.ts';

const ARRAY_OF_2 = 0x92;
const BIN_8 = 0xc4;
const BIN_16 = 0xc5;
const BIN_32 = 0xc6;

export const encoder: EntryEncoder = {
  overheadBytes: 11,

  writeHead(target, at, keyBytes) {
    target[at] = ARRAY_OF_2;
    return writeBinaryHead(target, at + 1, keyBytes);
  },

  writeMiddle(target, at, valueBytes) {
    return writeBinaryHead(target, at, valueBytes);
  },

  writeTail(_target, at) {
    return at;
  },
};

function writeBinaryHead(target: Uint8Array, start: number, length: number): number {
  let at = start;
  if (length <= 0xff) {
    target[at++] = BIN_8;
  } else if (length <= 0xffff) {
    target[at++] = BIN_16;
    target[at++] = length >>> 8;
  } else {
    target[at++] = BIN_32;
    target[at++] = length >>> 24;
    target[at++] = length >>> 16;
    target[at++] = length >>> 8;
  }
  target[at++] = length;
  return at;
}
