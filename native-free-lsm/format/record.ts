/**
 * The record: what the engine stores for a key, the same bytes in log, memtable and table, and between the
 * nodes of a cluster. All integers little-endian; FORMAT.md draws it.
 *
 *   0  u8   format            1
 *   1  u8   flags             bit 0 tombstone, bit 1 has an expiry; any other bit is refused
 *   2  u16  from              how many replicas the write asked for (0: not given)
 *   4  u32  timestamp, low    \ hybrid logical timestamp, 53 bits:
 *   8  u32  timestamp, high   / ms since 2024-01-01 in 41 bits, a counter in 12
 *  12  u32  writer            breaks ties between equal timestamps
 * [16  u32 u32 expiry         ms since the Unix epoch, low and high, when flag bit 1 is set]
 *  16 or 24   the value's bytes
 *
 * A version is (timestamp, writer); the newest wins wherever two meet.
 */
import { copyBytes } from './bytes.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from './integers.ts';

/** The first byte of every record that is written. */
export const RECORD_FORMAT = 1;
/** Bits of the second byte of a record. */
export const RecordFlag = { tombstone: 1, hasExpiry: 2 } as const;
const KNOWN_FLAGS = RecordFlag.tombstone | RecordFlag.hasExpiry;
/** Bytes before the value of a record without an expiry. */
export const RECORD_HEADER_BYTES = 16;
/** Bytes that an expiry adds to the header. */
export const RECORD_EXPIRY_BYTES = 8;
const EXPIRY_END_AT = RECORD_HEADER_BYTES + RECORD_EXPIRY_BYTES;

/** What a header says. A version is timestamp, then writer; the newest wins wherever two meet. */
export interface RecordFields {
  /** A whole number from 0 to MAX_TIMESTAMP. */
  readonly timestamp: number;
  readonly writer: number;
  readonly tombstone: boolean;
  readonly from: number;
  /** In ms since the Unix epoch, up to 2^53 - 1; 0 for never. */
  readonly expiryMs: number;
}

/** How many bytes a record has in all, header and value. */
export function recordSizeBytes(valueBytes: number, hasExpiry: boolean): number {
  return RECORD_HEADER_BYTES + (hasExpiry ? RECORD_EXPIRY_BYTES : 0) + valueBytes;
}

/** Writes header and value at `at`; returns the offset behind them. */
export function writeRecord(target: Uint8Array, at: number, fields: RecordFields, value: Uint8Array): number {
  const hasExpiry = fields.expiryMs > 0;
  target[at] = RECORD_FORMAT;
  target[at + 1] = (fields.tombstone ? RecordFlag.tombstone : 0) | (hasExpiry ? RecordFlag.hasExpiry : 0);
  target[at + 2] = fields.from;
  target[at + 3] = fields.from >>> 8;
  writeUint53(target, at + 4, fields.timestamp);
  writeUint32(target, at + 12, fields.writer);
  let next = at + RECORD_HEADER_BYTES;
  if (hasExpiry) {
    writeUint53(target, next, fields.expiryMs);
    next += RECORD_EXPIRY_BYTES;
  }
  copyBytes(value, 0, value.length, target, next);
  return next + value.length;
}

/** Returns a record in memory of its own. */
export function encodeRecord(fields: RecordFields, value: Uint8Array): Uint8Array {
  const record = Buffer.allocUnsafe(recordSizeBytes(value.length, fields.expiryMs > 0));
  writeRecord(record, 0, fields, value);
  return record;
}

/** The timestamp of the record that starts at `bytes[at]`, up to 2^53 - 1. */
export function recordTimestamp(bytes: Uint8Array, at: number): number {
  return readUint53(bytes, at + 4);
}

/** The writer of the record that starts at `bytes[at]`: it tells equal timestamps apart. */
export function recordWriter(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 12);
}

/** How many replicas the write asked for of the record that starts at `bytes[at]`; 0: it did not say. */
export function recordFrom(bytes: Uint8Array, at: number): number {
  return bytes[at + 2] | (bytes[at + 3] << 8);
}

/** Bits of RecordFlag. */
export function recordFlags(bytes: Uint8Array, at: number): number {
  return bytes[at + 1];
}

/** Whether the record that starts at `bytes[at]` says that its key is deleted. */
export function isTombstone(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 1] & RecordFlag.tombstone) !== 0;
}

/** In ms since the Unix epoch; 0 for never. */
export function recordExpiryMs(bytes: Uint8Array, at: number): number {
  if ((bytes[at + 1] & RecordFlag.hasExpiry) === 0) return 0;
  return readUint53(bytes, at + RECORD_HEADER_BYTES);
}

/** Whether a reader at `nowMs` (ms since the Unix epoch) sees a value: neither deleted nor expired by then. */
export function isLive(bytes: Uint8Array, at: number, nowMs: number): boolean {
  // Nearly every record, at the cost of one byte.
  if (bytes[at + 1] === 0) return true;
  if (isTombstone(bytes, at)) return false;
  const expiryMs = recordExpiryMs(bytes, at);
  return expiryMs === 0 || expiryMs > nowMs;
}

/** As `isLive`, for a clock that is asked only where it matters: nearly every record has no flags. */
export function isVisible(bytes: Uint8Array, at: number, nowMs: () => number): boolean {
  return bytes[at + 1] === 0 || isLive(bytes, at, nowMs());
}

/** Where the value starts, counted from the start of `bytes`. */
export function recordValueStart(bytes: Uint8Array, at: number): number {
  return at + RECORD_HEADER_BYTES + ((bytes[at + 1] & RecordFlag.hasExpiry) !== 0 ? RECORD_EXPIRY_BYTES : 0);
}

/** Says what is wrong with the header of the record in `bytes[start, end)`; undefined when nothing is. */
export function recordFault(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start < RECORD_HEADER_BYTES) return `a record of ${end - start} bytes is shorter than its header`;
  if (bytes[start] !== RECORD_FORMAT) return `record format ${bytes[start]} is unknown`;
  if ((bytes[start + 1] & ~KNOWN_FLAGS) !== 0) return `record flags ${bytes[start + 1]} are unknown`;
  if (bytes[start + 11] !== 0 || bytes[start + 10] > 0x1f) return 'the timestamp is above 53 bits';
  if (recordValueStart(bytes, start) > end) return 'the record ends inside its header';
  if (
    (bytes[start + 1] & RecordFlag.hasExpiry) !== 0 &&
    (bytes[start + EXPIRY_END_AT - 1] !== 0 || bytes[start + EXPIRY_END_AT - 2] > 0x1f)
  ) {
    return 'the expiry is above 53 bits';
  }
  return undefined;
}

/** Whether a later version may have written the record in `bytes[start, end)`: its format or flags are unknown here. */
export function isOfLaterFormat(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < RECORD_HEADER_BYTES) return false;
  return bytes[start] > RECORD_FORMAT || (bytes[start + 1] & ~KNOWN_FLAGS) !== 0;
}

/** Compares versions: negative when a is older than b, 0 when they are the same, positive when a is newer. */
export function compareVersions(
  aTimestamp: number,
  aWriter: number,
  bTimestamp: number,
  bWriter: number,
): number {
  return aTimestamp !== bTimestamp ? aTimestamp - bTimestamp : aWriter - bWriter;
}

/** Compares the versions of the records that start at `a[aAt]` and `b[bAt]`, as `compareVersions` does. */
export function compareRecordVersions(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  return compareVersions(
    recordTimestamp(a, aAt),
    recordWriter(a, aAt),
    recordTimestamp(b, bAt),
    recordWriter(b, bAt),
  );
}
