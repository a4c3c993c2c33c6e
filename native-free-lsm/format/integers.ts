/**
 * Integers as every file and message of the engine has them: little-endian, 32 bits in four bytes, 53 bits (a
 * timestamp, a number of bytes, a time in ms) in two such words, the low one first. Pure.
 */
const TWO_32 = 0x1_0000_0000;

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function readUint53(bytes: Uint8Array, at: number): number {
  return joinWords(readUint32(bytes, at), readUint32(bytes, at + 4));
}

/** @param value a whole number from 0 to 2^53 - 1 */
export function writeUint53(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, value >>> 0);
  writeUint32(bytes, at + 4, highWord(value));
}

/** The upper 21 bits of a number of 53; the lower 32 are `value >>> 0`. */
export function highWord(value: number): number {
  return Math.floor(value / TWO_32);
}

/** @param low unsigned */
export function joinWords(low: number, high: number): number {
  return high * TWO_32 + low;
}
