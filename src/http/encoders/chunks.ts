/**
 * Each entry of a scan as one HTTP chunk:  <hex length of key \n value> CRLF  key \n value  CRLF
 * Pure, and loaded by the engine's reader threads.
 */
import type { EntryEncoder } from '../../../native-free-lsm/index.ts';

const CR = 0x0d;
const LF = 0x0a;
const HEX_DIGITS = [...'0123456789abcdef'].map((digit) => digit.charCodeAt(0));

export const encoder: EntryEncoder = {
  // Eight digits, two line ends, and the newline behind the key.
  overheadBytes: 13,

  writeHead(target, start, keyBytes, valueBytes) {
    let rest = keyBytes + 1 + valueBytes;
    const end = start + hexLength(rest);
    for (let at = end - 1; at >= start; at--) {
      target[at] = HEX_DIGITS[rest & 15];
      rest >>>= 4;
    }
    target[end] = CR;
    target[end + 1] = LF;
    return end + 2;
  },

  writeMiddle(target, at) {
    target[at] = LF;
    return at + 1;
  },

  writeTail(target, at) {
    target[at] = CR;
    target[at + 1] = LF;
    return at + 2;
  },
};

/** Digits of a length above 0. */
function hexLength(length: number): number {
  return (35 - Math.clz32(length)) >>> 2;
}
