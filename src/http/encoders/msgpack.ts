/**
 * Each entry of a scan as a MessagePack array of two binaries:  0x92  bin(key)  bin(value)
 * where bin is 0xc4 u8, 0xc5 u16 or 0xc6 u32 (big-endian length) before the bytes.
 * Pure, and loaded by the engine's reader threads.
 */
import type { EntryEncoder } from '../../../native-free-lsm/index.ts';
import { writeArrayHead, writeBinHead } from '../../msgpack.ts';

export const encoder: EntryEncoder = {
  overheadBytes: 11,

  writeHead(target, at, keyBytes) {
    return writeBinHead(target, writeArrayHead(target, at, 2), keyBytes);
  },

  writeMiddle(target, at, valueBytes) {
    return writeBinHead(target, at, valueBytes);
  },

  writeTail(_target, at) {
    return at;
  },
};
