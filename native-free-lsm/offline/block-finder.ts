import zlib from 'node:zlib';
import { checksum } from '../format/checksum.ts';
import { readUint32 } from '../format/integers.ts';
import { unpackedLz4Bytes } from '../format/lz4.ts';
import { recordFault } from '../format/record.ts';
import { readVarint, varintBytes } from '../format/varint.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { LogWindow } from '../log/log-window.ts';
import { RESTART_BYTES } from '../sstable/block.ts';
import { BLOCK_TRAILER_BYTES, Compression, LZ4_HEADER_BYTES, LZ4_MAGIC } from '../sstable/block-codec.ts';
import { MAX_BLOCK_BYTES } from './block-reader.ts';
import type { BlockPlace } from './table-survey.ts';

const { zstdDecompressSync } = zlib;

const ZSTD_MAGIC = 0xfd2f_b528;
const MAGIC_BYTES = 4;
const FIRST_LOOK_BYTES = 64 * 1024;
/** The bytes read so far end within what may be a block. */
const MORE = 0;
const NONE = -1;

interface FoundBlocks {
  readonly blocks: readonly BlockPlace[];
  /** Ranges of the file in which there is no whole block. */
  readonly gaps: readonly { readonly offset: number; readonly lengthBytes: number }[];
}

/**
 * Finds the data blocks of a table whose index is lost, up to `endBytes`. Blocks follow each other without gaps; each
 * ends where its own entries, its zstd frame or what stands before its LZ4 bytes say, and its checksum then shows whether it is one. After damage,
 * every byte may be the start of the next block. (When a value in a damaged block holds a copy of a block, that is
 * taken for one as well: users check the order of keys.)
 */
export function findBlocks(fs: FileSystem, fd: number, sizeBytes: number, endBytes: number): FoundBlocks {
  const window = new LogWindow(fs, fd, sizeBytes);
  const blocks: BlockPlace[] = [];
  const gaps: { offset: number; lengthBytes: number }[] = [];
  let gapStart = -1;
  const endGap = (end: number): void => {
    if (gapStart >= 0) gaps.push({ offset: gapStart, lengthBytes: end - gapStart });
    gapStart = -1;
  };
  let offset = 0;
  while (offset < endBytes) {
    const block = blockAt(window, offset, endBytes);
    if (block === undefined) {
      if (gapStart < 0) gapStart = offset;
      offset++;
    } else {
      endGap(offset);
      blocks.push(block);
      offset += block.diskBytes + BLOCK_TRAILER_BYTES;
    }
  }
  endGap(endBytes);
  return { blocks, gaps };
}

function blockAt(window: LogWindow, offset: number, endBytes: number): BlockPlace | undefined {
  const left = endBytes - offset;
  for (let length = Math.min(left, FIRST_LOOK_BYTES); ; length = Math.min(left, length * 4)) {
    const at = window.load(offset, length);
    if (at < 0) return undefined;
    const { bytes } = window;
    const compression = compressionAt(bytes, at, length);
    const diskBytes = storedBytes(compression, bytes, at, at + length);
    if (diskBytes === MORE && length < left && length < MAX_BLOCK_BYTES) continue;
    if (diskBytes <= 0 || diskBytes + BLOCK_TRAILER_BYTES > length) return undefined;
    if (!hasTrailer(bytes, at, diskBytes, compression)) return undefined;
    const memoryBytes = unpackedBytes(compression, bytes, at, at + diskBytes);
    return memoryBytes < 0 ? undefined : { offset, diskBytes, memoryBytes };
  }
}

/** By how a block begins. */
function compressionAt(bytes: Uint8Array, at: number, length: number): Compression {
  if (length < MAGIC_BYTES) return Compression.none;
  const magic = readUint32(bytes, at);
  if (magic === ZSTD_MAGIC) return Compression.zstd;
  return magic === LZ4_MAGIC ? Compression.lz4 : Compression.none;
}

/** The size of the block at `at` in the file, MORE or NONE. */
function storedBytes(compression: Compression, bytes: Uint8Array, at: number, end: number): number {
  if (compression === Compression.zstd) return frameBytes(bytes, at, end);
  return compression === Compression.lz4 ? lz4Bytes(bytes, at, end) : entriesBytes(bytes, at, end);
}

function lz4Bytes(bytes: Uint8Array, at: number, end: number): number {
  if (at + LZ4_HEADER_BYTES > end) return MORE;
  const diskBytes = LZ4_HEADER_BYTES + readUint32(bytes, at + MAGIC_BYTES);
  if (diskBytes > MAX_BLOCK_BYTES) return NONE;
  return at + diskBytes + BLOCK_TRAILER_BYTES > end ? MORE : diskBytes;
}

function hasTrailer(bytes: Uint8Array, at: number, diskBytes: number, compression: Compression): boolean {
  const trailer = at + diskBytes;
  return (
    bytes[trailer] === compression && checksum(bytes, at, trailer + 1) === readUint32(bytes, trailer + 1)
  );
}

/** The size of the zstd frame at `at` (RFC 8878, 3.1.1), MORE or NONE. */
function frameBytes(bytes: Uint8Array, at: number, end: number): number {
  if (at + 5 > end) return MORE;
  const descriptor = bytes[at + 4];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6];
  let next = at + 5 + (isSingleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3] + sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (next + 3 > end) return MORE;
    const header = bytes[next] | (bytes[next + 1] << 8) | (bytes[next + 2] << 16);
    isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    if (type === 3) return NONE;
    // One byte stands for a run of equal bytes.
    next += 3 + (type === 1 ? 1 : header >> 3);
  }
  if ((descriptor & 4) !== 0) next += 4;
  return next + BLOCK_TRAILER_BYTES > end ? MORE : next - at;
}

/** The size of the block without compression, or NONE. */
function unpackedBytes(compression: Compression, bytes: Uint8Array, at: number, end: number): number {
  if (compression === Compression.none) return end - at;
  if (compression === Compression.lz4) return unpackedLz4Bytes(bytes, at + LZ4_HEADER_BYTES, end);
  try {
    return zstdDecompressSync(bytes.subarray(at, end), { maxOutputLength: MAX_BLOCK_BYTES }).length;
  } catch {
    return NONE;
  }
}

/** The size of the uncompressed block at `start`, including its restart points, MORE or NONE. */
function entriesBytes(bytes: Uint8Array, start: number, end: number): number {
  const entryStarts = new Set<number>();
  let keyLength = 0;
  let at = start;
  for (;;) {
    if (at + RESTART_BYTES > end) return MORE;
    // The first restart point is 0. No entry starts with 0, because it would have no record.
    if (at > start && readUint32(bytes, at) === 0) return restartsEnd(bytes, start, at, end, entryStarts);
    const shared = readVarint(bytes, at);
    const unsharedAt = at + varintBytes(shared);
    const unshared = readVarint(bytes, unsharedAt);
    const recordAt = unsharedAt + varintBytes(unshared);
    const recordLength = readVarint(bytes, recordAt);
    if (shared < 0 || unshared < 0 || recordLength < 0 || shared > keyLength) return NONE;
    const record = recordAt + varintBytes(recordLength) + unshared;
    const recordEnd = record + recordLength;
    if (recordEnd - start > MAX_BLOCK_BYTES) return NONE;
    if (recordEnd > end) return record + 2 <= end && bytes[record] !== 1 ? NONE : MORE;
    if (recordFault(bytes, record, recordEnd) !== undefined) return NONE;
    entryStarts.add(at - start);
    keyLength = shared + unshared;
    at = recordEnd;
  }
}

/** The end of the block whose restart points start at `at`, counted from `start`. */
function restartsEnd(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
  entryStarts: ReadonlySet<number>,
): number {
  let previous = 0;
  for (let count = 1; ; count++) {
    const next = at + count * RESTART_BYTES;
    if (next + RESTART_BYTES + BLOCK_TRAILER_BYTES > end) return MORE;
    const word = readUint32(bytes, next);
    const diskBytes = next + RESTART_BYTES - start;
    if (word === count && hasTrailer(bytes, start, diskBytes, Compression.none)) return diskBytes;
    if (word <= previous || !entryStarts.has(word)) return NONE;
    previous = word;
  }
}
