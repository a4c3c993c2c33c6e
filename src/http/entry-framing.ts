/**
 * How the entries of a scan look on the wire. Pure.
 *
 *   chunks    each entry is one HTTP chunk:  <hex length of key \n value> CRLF  key \n value  CRLF
 *             and the end is the last chunk: 0 CRLF CRLF
 *   msgpack   each entry is an array of two binaries: 0x92  bin(key)  bin(value)
 *             where bin is 0xc4 u8, 0xc5 u16 or 0xc6 u32 (big-endian length) before the bytes
 */
import { copyBytes } from '../../native-free-lsm/index.ts';
import type { EntryPage } from './services.ts';

export interface EntryFraming {
  readonly contentType: string;
  /** The bytes are those of a chunked transfer coding already. */
  readonly isChunked: boolean;
  /** What follows the last entry. */
  readonly end: Buffer;
  /** What an entry takes besides key and value, at most. */
  readonly overheadBytes: number;
  /** Writes the page's current entry; returns the index behind it. */
  writeEntry(target: Buffer, at: number, page: EntryPage): number;
}

const CR = 0x0d;
const LF = 0x0a;
const ARRAY_OF_2 = 0x92;
const BIN_8 = 0xc4;
const BIN_16 = 0xc5;
const BIN_32 = 0xc6;
const HEX_DIGITS = Buffer.from('0123456789abcdef');

export const chunkFraming: EntryFraming = {
  contentType: 'application/octet-stream',
  isChunked: true,
  end: Buffer.from('0\r\n\r\n'),

  // Eight digits, two line ends, and the newline behind the key.
  overheadBytes: 13,

  writeEntry(target, start, page) {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd } = page;
    const length = keyEnd - keyStart + 1 + valueEnd - valueStart;
    const digits = hexLength(length);
    let rest = length;
    for (let at = start + digits - 1; at >= start; at--) {
      target[at] = HEX_DIGITS[rest & 15];
      rest >>>= 4;
    }
    let at = start + digits;
    target[at] = CR;
    target[at + 1] = LF;
    at += 2;
    copyBytes(bytes, keyStart, keyEnd, target, at);
    at += keyEnd - keyStart;
    target[at++] = LF;
    copyBytes(bytes, valueStart, valueEnd, target, at);
    at += valueEnd - valueStart;
    target[at] = CR;
    target[at + 1] = LF;
    return at + 2;
  },
};

export const msgpackFraming: EntryFraming = {
  contentType: 'application/x-msgpack',
  isChunked: false,
  end: Buffer.alloc(0),

  overheadBytes: 11,

  writeEntry(target, start, page) {
    target[start] = ARRAY_OF_2;
    const at = writeBinary(target, start + 1, page.bytes, page.keyStart, page.keyEnd);
    return writeBinary(target, at, page.bytes, page.valueStart, page.valueEnd);
  },
};

/** Digits of a length above 0. */
function hexLength(length: number): number {
  return (35 - Math.clz32(length)) >>> 2;
}

function writeBinary(
  target: Buffer,
  start: number,
  bytes: Uint8Array,
  bytesStart: number,
  bytesEnd: number,
): number {
  const length = bytesEnd - bytesStart;
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
  copyBytes(bytes, bytesStart, bytesEnd, target, at);
  return at + length;
}
