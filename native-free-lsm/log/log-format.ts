import zlib from 'node:zlib';
import { FRAME_ALIGNMENT_BYTES } from '../format/frame.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../format/integers.ts';

const { crc32 } = zlib;

/**
 * The fixed parts of a log of batches: that of writes (`.log`), and that of version edits (the manifest).
 * FORMAT.md draws the whole. Integers are little-endian, everything starts at a multiple of 8 bytes.
 *
 *   file header    0  u32 magic             8  u32 number, the same as in the file's name
 *                  4  u32 format version   12  u32 crc32 of bytes 0 to 11
 *
 *   batch header   0  u32 magic "QBAT"     16  u32 kind: 1 data, 2 clean close, 3 continued
 *                  4  u32 crc32 of the     20  u32 own offset / 8
 *                     rest and the body    24  u32 \ offset up to which the file was
 *                  8  u32 body length      28  u32 / known to be synced, low and high
 *                 12  u32 number           32  body
 *
 *   body           frames (format/frame.ts), those of a log of writes as they stood in the writer's ring
 *
 * A batch names its file's number and its own offset, so that neither a block left over from an older file
 * nor a value that holds a piece of a log is ever taken for a batch.
 */
export const LOG_FORMAT = 2;
export const FILE_HEADER_BYTES = 16;
export const BATCH_HEADER_BYTES = 32;
export const FileMagic = { log: 0x474f_4c51, manifest: 0x4e41_4d51 } as const;
export type FileMagic = (typeof FileMagic)[keyof typeof FileMagic];
export const BatchKind = {
  data: 1,
  /** The last batch of a log whose writer has finished it. */
  cleanClose: 2,
  /** The same, and the log of the next generation was begun before. */
  continued: 3,
} as const;
export type BatchKind = (typeof BatchKind)[keyof typeof BatchKind];

const BATCH_MAGIC = 0x5441_4251;
const CRC_AT = 4;
/** The checksum covers everything from here on. */
const COVERED_AT = 8;

export function logFileName(generation: number): string {
  return `${String(generation).padStart(6, '0')}.log`;
}

/** The generations from `oldest` to the last of `generations`, which ascend, that are not among them. */
export function missingLogs(oldest: number, generations: readonly number[]): number[] {
  const missing: number[] = [];
  let expected = oldest;
  for (const generation of generations) {
    for (; expected < generation; expected++) missing.push(expected);
    expected = generation + 1;
  }
  return missing;
}

/**
 * The generations from `oldest` on that must exist and are not among `generations`, which ascend.
 * @param begun the last one that is known to have been begun
 */
export function lostLogs(oldest: number, generations: readonly number[], begun: number): number[] {
  const lost = missingLogs(oldest, generations);
  const newest = generations.at(-1) ?? oldest - 1;
  for (let generation = newest + 1; generation <= begun; generation++) lost.push(generation);
  return lost;
}

export function encodeFileHeader(magic: FileMagic, number: number): Uint8Array {
  const header = Buffer.alloc(FILE_HEADER_BYTES);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(LOG_FORMAT, 4);
  header.writeUInt32LE(number, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  return header;
}

/** The format version and the number in the header at `at`; undefined when there is no header. */
export function decodeFileHeader(
  magic: FileMagic,
  bytes: Uint8Array,
  at: number,
): { readonly format: number; readonly number: number } | undefined {
  if (readUint32(bytes, at) !== magic) return undefined;
  if (readUint32(bytes, at + 12) !== crc32(bytes.subarray(at, at + 12))) return undefined;
  return { format: readUint32(bytes, at + 4), number: readUint32(bytes, at + 8) };
}

/** Fills the batch header at the start of `header` for `body`, which will follow it. */
export function encodeBatchHeader(
  header: Uint8Array,
  body: Uint8Array,
  number: number,
  kind: BatchKind,
  offset: number,
  syncedBytes: number,
): void {
  writeUint32(header, 0, BATCH_MAGIC);
  writeUint32(header, 8, body.length);
  writeUint32(header, 12, number);
  writeUint32(header, 16, kind);
  writeUint32(header, 20, offset / FRAME_ALIGNMENT_BYTES);
  writeUint53(header, 24, syncedBytes);
  const crc = crc32(header.subarray(COVERED_AT, BATCH_HEADER_BYTES));
  writeUint32(header, CRC_AT, body.length === 0 ? crc : crc32(body, crc));
}

/**
 * Whether there may be a batch header at `at`, for a batch at `offset` of its file. It checks everything but the
 * checksum, which needs the body.
 */
export function isBatchHeader(bytes: Uint8Array, at: number, number: number, offset: number): boolean {
  return (
    readUint32(bytes, at) === BATCH_MAGIC &&
    readUint32(bytes, at + 12) === number &&
    readUint32(bytes, at + 20) === offset / FRAME_ALIGNMENT_BYTES &&
    batchBodyBytes(bytes, at) % FRAME_ALIGNMENT_BYTES === 0 &&
    batchSyncedBytes(bytes, at) <= offset
  );
}

export function batchBodyBytes(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 8);
}

export function batchKind(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 16);
}

export function batchSyncedBytes(bytes: Uint8Array, at: number): number {
  return readUint53(bytes, at + 24);
}

/** Whether the checksum of the whole batch at `at` is right. */
export function isBatchIntact(bytes: Uint8Array, at: number): boolean {
  const end = at + BATCH_HEADER_BYTES + batchBodyBytes(bytes, at);
  return readUint32(bytes, at + CRC_AT) === crc32(bytes.subarray(at + COVERED_AT, end));
}
