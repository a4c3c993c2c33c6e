/**
 * How the entries of a scan look on the wire. Pure.
 *
 *   chunks    each entry is one HTTP chunk:  <hex length of key \n value> CRLF  key \n value  CRLF
 *             and the end is the last chunk: 0 CRLF CRLF
 *   msgpack   each entry is an array of two binaries: 0x92  bin(key)  bin(value)
 *             where bin is 0xc4 u8, 0xc5 u16 or 0xc6 u32 (big-endian length) before the bytes
 */
export interface EntryFraming {
  readonly contentType: string;
  /** The bytes are those of a chunked transfer coding already. */
  readonly isChunked: boolean;
  /** What follows the last entry. */
  readonly end: Buffer;
  entryBytes(keyLength: number, valueLength: number): number;
  /** @returns index behind the entry */
  writeEntry(target: Buffer, at: number, key: Uint8Array, value: Uint8Array): number;
}

const CR = 0x0d;
const LF = 0x0a;
const ARRAY_OF_2 = 0x92;
const BIN_8 = 0xc4;
const BIN_16 = 0xc5;
const BIN_32 = 0xc6;
const HEX_DIGITS = Buffer.from('0123456789abcdef');
/** Up to here a loop is quicker than a call that copies. */
const SHORT_BYTES = 24;

export const chunkFraming: EntryFraming = {
  contentType: 'application/octet-stream',
  isChunked: true,
  end: Buffer.from('0\r\n\r\n'),

  entryBytes(keyLength, valueLength) {
    const length = keyLength + 1 + valueLength;
    return hexLength(length) + length + 4;
  },

  writeEntry(target, start, key, value) {
    const length = key.length + 1 + value.length;
    const digits = hexLength(length);
    let rest = length;
    for (let at = start + digits - 1; at >= start; at--) {
      target[at] = HEX_DIGITS[rest & 15];
      rest >>>= 4;
    }
    let at = start + digits;
    target[at++] = CR;
    target[at++] = LF;
    at = copy(target, at, key);
    target[at++] = LF;
    at = copy(target, at, value);
    target[at++] = CR;
    target[at++] = LF;
    return at;
  },
};

export const msgpackFraming: EntryFraming = {
  contentType: 'application/x-msgpack',
  isChunked: false,
  end: Buffer.alloc(0),

  entryBytes(keyLength, valueLength) {
    return 1 + binaryBytes(keyLength) + binaryBytes(valueLength);
  },

  writeEntry(target, start, key, value) {
    target[start] = ARRAY_OF_2;
    return writeBinary(target, writeBinary(target, start + 1, key), value);
  },
};

/** Digits of a length above 0. */
function hexLength(length: number): number {
  return (35 - Math.clz32(length)) >>> 2;
}

function binaryBytes(length: number): number {
  return length + (length <= 0xff ? 2 : length <= 0xffff ? 3 : 5);
}

function writeBinary(target: Buffer, start: number, bytes: Uint8Array): number {
  const { length } = bytes;
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
  return copy(target, at, bytes);
}

function copy(target: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  if (length > SHORT_BYTES) target.set(bytes, at);
  else for (let i = 0; i < length; i++) target[at + i] = bytes[i];
  return at + length;
}
