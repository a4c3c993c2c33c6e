/**
 * The msgpack forms that are written and read in place (https://github.com/msgpack/msgpack/blob/master/spec.md): in
 * the frames between nodes and in the scans of clients. Writers give the shortest form of a bin head and a form of
 * fixed size for numbers and texts, so that the size of what is written is known before; the cursor takes any form that
 * the specification allows for the type. Pure, and loaded by the engine's reader threads: it imports next to nothing.
 */
import { protocolError } from './errors.ts';

const FIX_ARRAY = 0x90;
const NIL = 0xc0;
const BIN_8 = 0xc4;
const BIN_16 = 0xc5;
const BIN_32 = 0xc6;
const UINT_8 = 0xcc;
const UINT_16 = 0xcd;
const UINT_32 = 0xce;
const FIX_STR = 0xa0;
const STR_8 = 0xd9;
const STR_16 = 0xda;
const STR_32 = 0xdb;
const ARRAY_16 = 0xdc;

export const UINT_8_BYTES = 2;
export const UINT_32_BYTES = 5;
export const TEXT_HEAD_BYTES = 3;
const EMPTY = Buffer.alloc(0);

export function binHeadBytes(length: number): number {
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5;
}

export function writeUint8(target: Uint8Array, at: number, value: number): number {
  target[at] = UINT_8;
  target[at + 1] = value;
  return at + UINT_8_BYTES;
}

export function writeUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = UINT_32;
  target[at + 1] = value >>> 24;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 8;
  target[at + 4] = value;
  return at + UINT_32_BYTES;
}

/** The head of an array of at most 15 elements. */
export function writeArrayHead(target: Uint8Array, at: number, length: number): number {
  target[at] = FIX_ARRAY | length;
  return at + 1;
}

export function writeNil(target: Uint8Array, at: number): number {
  target[at] = NIL;
  return at + 1;
}

export function writeBinHead(target: Uint8Array, at: number, length: number): number {
  if (length < 0x100) {
    target[at] = BIN_8;
    target[at + 1] = length;
    return at + 2;
  }
  if (length < 0x1_0000) {
    target[at] = BIN_16;
    target[at + 1] = length >>> 8;
    target[at + 2] = length;
    return at + 3;
  }
  target[at] = BIN_32;
  target[at + 1] = length >>> 24;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 8;
  target[at + 4] = length;
  return at + 5;
}

/** The head of a text of 64 KiB at most, in the form that takes three bytes. */
export function writeTextHead(target: Uint8Array, at: number, length: number): number {
  target[at] = STR_16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  return at + TEXT_HEAD_BYTES;
}

/** Reads one value after the other from a byte range; throws PROTOCOL for a value of another type and at the end. */
export class MsgpackCursor {
  #bytes: Buffer = EMPTY;
  #at = 0;
  #end = 0;
  /** Where the bytes of the last bin are; `binStart` is -1 when it was nil. */
  binStart = -1;
  binEnd = -1;

  reset(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** Drops the reference to the bytes. */
  clear(): void {
    this.#bytes = EMPTY;
  }

  arrayLength(): number {
    const token = this.#bytes[this.#take(1)];
    if ((token & 0xf0) === FIX_ARRAY) return token & 0x0f;
    if (token === ARRAY_16) return this.#number(2);
    throw protocolError(`byte 0x${token.toString(16)} where an array should start`);
  }

  uint(): number {
    const token = this.#bytes[this.#take(1)];
    if (token < 0x80) return token;
    if (token === UINT_32) return this.#number(4);
    if (token === UINT_16) return this.#number(2);
    if (token === UINT_8) return this.#number(1);
    throw protocolError(`byte 0x${token.toString(16)} where a whole number should be`);
  }

  bin(): void {
    this.#readBin(this.#bytes[this.#take(1)]);
  }

  binOrNil(): void {
    const token = this.#bytes[this.#take(1)];
    if (token === NIL) this.binStart = this.binEnd = -1;
    else this.#readBin(token);
  }

  text(): string {
    const token = this.#bytes[this.#take(1)];
    let length: number;
    if ((token & 0xe0) === FIX_STR) length = token & 0x1f;
    else if (token === STR_8) length = this.#number(1);
    else if (token === STR_16) length = this.#number(2);
    else if (token === STR_32) length = this.#number(4);
    else throw protocolError(`byte 0x${token.toString(16)} where a text should be`);
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  nil(): void {
    const token = this.#bytes[this.#take(1)];
    if (token !== NIL) throw protocolError(`byte 0x${token.toString(16)} where nil should be`);
  }

  /** Throws when bytes are left. */
  finish(): void {
    if (this.#at !== this.#end)
      throw protocolError(`${this.#end - this.#at} bytes behind the end of a message`);
  }

  #readBin(token: number): void {
    let length: number;
    if (token === BIN_8) length = this.#number(1);
    else if (token === BIN_16) length = this.#number(2);
    else if (token === BIN_32) length = this.#number(4);
    else throw protocolError(`byte 0x${token.toString(16)} where bytes should be`);
    this.binStart = this.#take(length);
    this.binEnd = this.#at;
  }

  #number(width: 1 | 2 | 4): number {
    const at = this.#take(width);
    const bytes = this.#bytes;
    if (width === 1) return bytes[at];
    if (width === 2) return (bytes[at] << 8) | bytes[at + 1];
    return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  }

  /** Moves `count` bytes further and returns where they start. */
  #take(count: number): number {
    const at = this.#at;
    if (count > this.#end - at) throw protocolError('a message ends in the middle of a value');
    this.#at = at + count;
    return at;
  }
}
