import zlib from 'node:zlib';

const { crc32 } = zlib;

/**
 * The checksum of every file of the engine: CRC-32 of `bytes[start, end)`, as zlib and gzip compute it, as an unsigned
 * 32-bit number.
 * @param previous checksum of the bytes before these, to continue
 */
export function checksum(bytes: Uint8Array, start: number, end: number, previous = 0): number {
  return crc32(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), previous);
}
