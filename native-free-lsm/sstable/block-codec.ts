import zlib, { type ZstdOptions } from 'node:zlib';
import { corruption, LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { checksum } from '../format/checksum.ts';
import { readUint32, writeUint32 } from '../format/integers.ts';
import { Lz4Compressor } from '../format/lz4.ts';
import { unpackLz4, viewOfInput } from '../format/lz4-memory.ts';
import { blockFault } from './block.ts';

const { constants, zstdCompressSync, zstdDecompressSync } = zlib;

/**
 * A data block in the file: its bytes, compressed or not, and a trailer.
 *
 *   u8   compression   0 none, 1 zstd, 2 LZ4; others are refused
 *   u32  CRC-32 of the block's bytes and the compression byte
 */
export const BLOCK_TRAILER_BYTES = 5;

/**
 * What stands before the bytes of LZ4, which do not say themselves where they end:
 *
 *   u32  magic   no block without compression begins so, as its first byte is 0
 *   u32  bytes   of LZ4 that follow
 */
export const LZ4_HEADER_BYTES = 8;
export const LZ4_MAGIC = 0x6234_7a6c;

/** Append only. */
export const Compression = { none: 0, zstd: 1, lz4: 2 } as const;
export type Compression = (typeof Compression)[keyof typeof Compression];
export type CompressionName = keyof typeof Compression;

/** Below this saving, compression is not worth the time to decompress. */
const MIN_SAVING = 0.12;
/** By its number. */
const COMPRESSION_BYTES = [Compression.none, Compression.zstd, Compression.lz4].map((number) =>
  Uint8Array.of(number),
);

/** What it returns is the block itself, or stays as it is until the next call. */
export type BlockCompressor = (block: Uint8Array) => Uint8Array;

/** Compresses a block, or returns it unchanged when that saves too little. */
export function blockCompressor(
  compression: CompressionName,
  zstdLevel: number,
  blockSizeBytes: number,
): BlockCompressor {
  if (compression === 'none') return (block) => block;
  return compression === 'lz4' ? lz4BlockCompressor() : zstdBlockCompressor(zstdLevel, blockSizeBytes);
}

function zstdBlockCompressor(zstdLevel: number, blockSizeBytes: number): BlockCompressor {
  const options: ZstdOptions = {
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
    // One chunk holds the whole result, so Node needs no second one and no copy to join them.
    chunkSize: blockSizeBytes + 1024,
  };
  return (block) => {
    const packed = zstdCompressSync(block, options);
    return packed.length <= largestPacked(block) ? packed : block;
  };
}

/** Of this thread: it keeps nothing from one block to the next, and its memory would be garbage after each table. */
let lz4: Lz4Compressor | undefined;

function lz4BlockCompressor(): BlockCompressor {
  lz4 ??= new Lz4Compressor();
  const compressor = lz4;
  let packed = new Uint8Array(0);
  return (block) => {
    const limit = largestPacked(block);
    if (packed.length < limit) packed = new Uint8Array(limit);
    const end = compressor.compress(block, 0, block.length, packed, LZ4_HEADER_BYTES, limit);
    if (end < 0) return block;
    writeUint32(packed, 0, LZ4_MAGIC);
    writeUint32(packed, 4, end - LZ4_HEADER_BYTES);
    return packed.subarray(0, end);
  };
}

function largestPacked(block: Uint8Array): number {
  return Math.floor(block.length * (1 - MIN_SAVING));
}

export function writeBlockTrailer(target: Uint8Array, stored: Uint8Array, compression: Compression): void {
  target[0] = compression;
  const crc = checksum(COMPRESSION_BYTES[compression], 0, 1, checksum(stored, 0, stored.length));
  writeUint32(target, 1, crc);
}

/**
 * Verifies the block and trailer at `stored[at]` and writes the block uncompressed to `target`.
 * @param file for the error, as is `fileOffset`, where the block starts in the file
 * @throws LsmError CORRUPTION when it is not what was written, UNSUPPORTED_FORMAT for an unknown compression
 */
export function unpackBlock(
  stored: Uint8Array,
  at: number,
  diskBytes: number,
  memoryBytes: number,
  target: Uint8Array,
  targetStart: number,
  file: string,
  fileOffset: number,
): void {
  const compression = verifyBlock(stored, at, diskBytes, memoryBytes, file, fileOffset);
  if (compression === Compression.none) {
    copyBytes(stored, at, at + diskBytes, target, targetStart);
  } else {
    decompressBlock(compression, stored, at, diskBytes, memoryBytes, target, targetStart, file, fileOffset);
  }
  requireFrame(target, targetStart, targetStart + memoryBytes, file, fileOffset);
}

/**
 * Verifies the trailer of the block at `stored[at]`, and returns how the block is compressed.
 * @throws LsmError as `unpackBlock` does
 */
export function verifyBlock(
  stored: Uint8Array,
  at: number,
  diskBytes: number,
  memoryBytes: number,
  file: string,
  fileOffset: number,
): Compression {
  const trailer = at + diskBytes;
  const checked = viewOfInput(stored, at, trailer + 1);
  if (checksum(checked, 0, checked.length) !== readUint32(stored, trailer + 1)) {
    throw corruption(file, fileOffset, `the data block of ${diskBytes} bytes does not match its checksum`);
  }
  const compression = stored[trailer];
  if (compression === Compression.zstd || compression === Compression.lz4) return compression;
  if (compression !== Compression.none) {
    throw new LsmError(
      'UNSUPPORTED_FORMAT',
      `${file} has a block of unknown compression ${compression} at byte ${fileOffset}; a newer version may read it`,
      { file, offset: fileOffset },
    );
  }
  if (diskBytes !== memoryBytes) {
    throw corruption(
      file,
      fileOffset,
      `an uncompressed block of ${diskBytes} bytes, ${memoryBytes} by the index`,
    );
  }
  return compression;
}

/** Refuses a block whose restart points cannot be right. */
export function requireFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
  file: string,
  fileOffset: number,
): void {
  const fault = blockFault(bytes, start, end);
  if (fault !== undefined) throw corruption(file, fileOffset, fault);
}

/**
 * Decompresses the block at `stored[at]`, for which `verifyBlock` returned the compression, to `target`.
 * @throws LsmError CORRUPTION
 */
export function decompressBlock(
  compression: Compression,
  stored: Uint8Array,
  at: number,
  diskBytes: number,
  memoryBytes: number,
  target: Uint8Array,
  targetStart: number,
  file: string,
  fileOffset: number,
): void {
  if (compression === Compression.lz4) {
    const start = at + LZ4_HEADER_BYTES;
    const end = at + diskBytes;
    const isWhole =
      isLz4Header(stored, at, diskBytes) &&
      unpackLz4(stored, start, end, target, targetStart, targetStart + memoryBytes);
    if (!isWhole) throw corruption(file, fileOffset, `a block that is not LZ4 of ${memoryBytes} bytes`);
    return;
  }
  const packed = stored.subarray(at, at + diskBytes);
  let block: Uint8Array;
  try {
    // One chunk that is never quite full, for the same reason as above.
    block = zstdDecompressSync(packed, {
      maxOutputLength: memoryBytes,
      chunkSize: Math.max(constants.Z_MIN_CHUNK, memoryBytes + 1),
    });
  } catch (error) {
    const reason = (error as Error).message;
    throw corruption(
      file,
      fileOffset,
      `a block that does not decompress to ${memoryBytes} bytes (${reason})`,
    );
  }
  if (block.length !== memoryBytes) {
    throw corruption(file, fileOffset, `a block of ${block.length} bytes, ${memoryBytes} by the index`);
  }
  copyBytes(block, 0, memoryBytes, target, targetStart);
}

function isLz4Header(stored: Uint8Array, at: number, diskBytes: number): boolean {
  return (
    diskBytes >= LZ4_HEADER_BYTES &&
    readUint32(stored, at) === LZ4_MAGIC &&
    readUint32(stored, at + 4) === diskBytes - LZ4_HEADER_BYTES
  );
}
