import { constants, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { corruption, LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { checksum } from '../format/checksum.ts';
import { readUint32, writeUint32 } from '../format/integers.ts';
import { blockFault } from './block.ts';

/**
 * A data block in the file: its bytes, compressed or not, and a trailer.
 *
 *   u8   compression   0 none, 1 zstd; others are refused
 *   u32  CRC-32 of the block's bytes and the compression byte
 */
export const BLOCK_TRAILER_BYTES = 5;

/** Append only. */
export const Compression = { none: 0, zstd: 1 } as const;
export type Compression = (typeof Compression)[keyof typeof Compression];

/** Below this saving, compression is not worth the time to decompress. */
const MIN_SAVING = 0.12;
const COMPRESSION_BYTES = {
  none: new Uint8Array([Compression.none]),
  zstd: new Uint8Array([Compression.zstd]),
};

export type BlockCompressor = (block: Uint8Array) => Uint8Array;

/** Compresses a block, or returns it unchanged when that saves too little. */
export function blockCompressor(
  compression: 'none' | 'zstd',
  zstdLevel: number,
  blockSizeBytes: number,
): BlockCompressor {
  if (compression === 'none') return (block) => block;
  const options: ZstdOptions = {
    params: { [constants.ZSTD_c_compressionLevel]: zstdLevel },
    // One chunk holds the whole result, so Node needs no second one and no copy to join them.
    chunkSize: blockSizeBytes + 1024,
  };
  return (block) => {
    const packed = zstdCompressSync(block, options);
    return packed.length <= block.length * (1 - MIN_SAVING) ? packed : block;
  };
}

export function writeBlockTrailer(target: Uint8Array, stored: Uint8Array, compressed: boolean): void {
  const compression = compressed ? COMPRESSION_BYTES.zstd : COMPRESSION_BYTES.none;
  target[0] = compression[0];
  writeUint32(target, 1, checksum(compression, 0, 1, checksum(stored, 0, stored.length)));
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
    const block = decompressBlock(stored, at, diskBytes, memoryBytes, file, fileOffset);
    copyBytes(block, 0, memoryBytes, target, targetStart);
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
  if (checksum(stored, at, trailer + 1) !== readUint32(stored, trailer + 1)) {
    throw corruption(file, fileOffset, `the data block of ${diskBytes} bytes does not match its checksum`);
  }
  const compression = stored[trailer];
  if (compression === Compression.zstd) return compression;
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

/** Decompresses the block at `stored[at]`, for which `verifyBlock` returned zstd, into memory of its own. */
export function decompressBlock(
  stored: Uint8Array,
  at: number,
  diskBytes: number,
  memoryBytes: number,
  file: string,
  fileOffset: number,
): Uint8Array {
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
  return block;
}
