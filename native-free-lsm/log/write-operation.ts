import { LsmError } from '../errors.ts';
import { compareBytes, copyBytes } from '../format/bytes.ts';
import { readUint32, readUint53, writeUint32, writeUint53 } from '../format/integers.ts';
import { encodeRecord, isOfLaterFormat, RECORD_HEADER_BYTES, recordFault } from '../format/record.ts';

/**
 * A write operation: the payload of one frame of the writer's ring and, the same bytes, of one frame of the
 * log. Integers are little-endian, keys and records follow one another without padding.
 *
 *   put    u8 1, u8 flags, u16 key length, u32 record length, key, record
 *   batch  u8 2, u8 0, u16 conditions, u32 count,
 *          then count × (u16 key length, u8 flags, u8 0, u32 record length, key, record)
 *
 * Flag bit 0: dropped. The writer had found a newer version of the key in an older memtable or a table; the
 * put is passed over here and at every replay, where it would hide that one.
 *
 * Flag bit 1: a condition, as the first so many entries of a batch are. In place of a record it has the timestamp that
 * the key must have, 0 if it must have no value, and the time by which values have expired (two u64). The writer applies
 * the puts behind them if all are met, and otherwise marks them as dropped; a replay passes conditions over.
 *
 * Flag bit 2: a range tombstone, which deletes all keys from the put's key on. In place of a record it has the header of
 * one, with its version, and behind it u8 1 and the key before which it ends, or u8 0 alone: it goes to the last key.
 * Other flags are refused.
 *
 * Operation 0 stays unused, so that zeroed bytes are never an operation; the others are reserved and refused.
 */
const WriteOperation = { put: 1, batch: 2 } as const;

const DROPPED = 1;
const CONDITION = 2;
const RANGE = 4;
const CONDITION_RECORD_BYTES = 16;
/** Fixed bytes of an operation, and of each put of a batch. */
const HEAD_BYTES = 8;
/** What a batch has before its entries. */
export const BATCH_HEAD_BYTES = HEAD_BYTES;
export const MAX_KEY_BYTES = 0xffff;
export const MAX_CONDITIONS = 0xffff;
const NO_PUTS: readonly Put[] = [];

export interface Put {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
  /** Of a batch: it is a range tombstone, whose record is a `rangeRecord`. */
  readonly isRange?: boolean;
}

export function putOperationBytes(keyBytes: number, recordBytes: number): number {
  return HEAD_BYTES + keyBytes + recordBytes;
}

/** Writes one put at `at`; the key has at most `MAX_KEY_BYTES`. */
export function encodePut(target: Uint8Array, at: number, key: Uint8Array, record: Uint8Array): void {
  writeBytes(target, writePutHead(target, at, key, record.length), record);
}

/** Writes one put at `at` up to its record, which the caller writes; returns where that belongs. */
export function writePutHead(target: Uint8Array, at: number, key: Uint8Array, recordBytes: number): number {
  target[at] = WriteOperation.put;
  target[at + 1] = 0;
  return writeKey(target, at, at + 2, key, recordBytes);
}

export function batchOperationBytes(puts: readonly Put[], conditions: readonly Put[] = NO_PUTS): number {
  let bytes = HEAD_BYTES;
  for (const { key, record } of conditions) bytes += putOperationBytes(key.length, record.length);
  for (const { key, record } of puts) bytes += putOperationBytes(key.length, record.length);
  return bytes;
}

/**
 * Writes puts that are applied together; after a crash all of them are there, or none.
 * @param conditions that must all be met, each with a `conditionRecord`; at most MAX_CONDITIONS
 */
export function encodeBatch(
  target: Uint8Array,
  at: number,
  puts: readonly Put[],
  conditions: readonly Put[] = NO_PUTS,
): void {
  let next = writeBatchHead(target, at, conditions.length, conditions.length + puts.length);
  for (const { key, record } of conditions) next = writeEntry(target, next, CONDITION, key, record);
  for (const { isRange, key, record } of puts)
    next = writeEntry(target, next, isRange === true ? RANGE : 0, key, record);
}

/**
 * Writes the beginning of a batch at `at`. @param entries conditions and puts together
 * @returns where the first of them belongs
 */
export function writeBatchHead(target: Uint8Array, at: number, conditions: number, entries: number): number {
  target[at] = WriteOperation.batch;
  target[at + 1] = 0;
  target[at + 2] = conditions;
  target[at + 3] = conditions >>> 8;
  writeUint32(target, at + 4, entries);
  return at + BATCH_HEAD_BYTES;
}

/** What stands in place of a record in a range tombstone. @param end exclusive; null: there is none */
export function rangeRecord(timestamp: number, end: Uint8Array | null): Uint8Array {
  const value = new Uint8Array(1 + (end?.length ?? 0));
  if (end !== null) {
    value[0] = 1;
    value.set(end, 1);
  }
  return encodeRecord({ timestamp, writer: 0, tombstone: true, from: 1, expiryMs: 0 }, value);
}

/** Writes one range tombstone at `at`. @param record a `rangeRecord` */
export function encodeRange(target: Uint8Array, at: number, start: Uint8Array, record: Uint8Array): void {
  encodePut(target, at, start, record);
  target[at + 1] = RANGE;
}

/** What stands in place of a record in a condition. @param timestamp 0: the key must have no value */
export function conditionRecord(timestamp: number, nowMs: number): Uint8Array {
  const record = Buffer.alloc(CONDITION_RECORD_BYTES);
  writeUint53(record, 0, timestamp);
  writeUint53(record, 8, nowMs);
  return record;
}

/**
 * Writes an entry of a batch at `at` up to its record, which the caller writes.
 * @returns where the record belongs
 */
export function writeEntryHead(
  target: Uint8Array,
  at: number,
  flags: number,
  key: Uint8Array,
  recordBytes: number,
): number {
  target[at + 2] = flags;
  target[at + 3] = 0;
  return writeKey(target, at, at, key, recordBytes);
}

function writeEntry(
  target: Uint8Array,
  at: number,
  flags: number,
  key: Uint8Array,
  record: Uint8Array,
): number {
  return writeBytes(target, writeEntryHead(target, at, flags, key, record.length), record);
}

/** Writes lengths and key; returns where the record belongs. */
function writeKey(
  target: Uint8Array,
  at: number,
  keyLengthAt: number,
  key: Uint8Array,
  recordBytes: number,
): number {
  target[keyLengthAt] = key.length;
  target[keyLengthAt + 1] = key.length >>> 8;
  writeUint32(target, at + 4, recordBytes);
  return writeBytes(target, at + HEAD_BYTES, key);
}

function writeBytes(target: Uint8Array, at: number, bytes: Uint8Array): number {
  copyBytes(bytes, 0, bytes.length, target, at);
  return at + bytes.length;
}

/**
 * Walks the puts of one operation, without those that were dropped and without making an object for any. One cursor
 * serves many operations.
 */
export class OperationCursor {
  keyStart = 0;
  keyEnd = 0;
  recordStart = 0;
  recordEnd = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #left = 0;
  /**
   * The offset of a put's key length and flags: behind the operation's number if it stands alone, else at its start.
   */
  #keyLengthOffset = 0;
  #flagsOffset = 0;
  /** How many conditions the operation has. */
  conditions = 0;
  /** Whether the current put is a range tombstone: its key is where the range begins. */
  isRange = false;
  /** How many of this operation's have not been come to. */
  #conditionsLeft = 0;

  /**
   * Starts at the operation in `bytes[start, end)`; `next` then moves to its first put.
   * @throws LsmError INVALID_ARGUMENT when it is no operation, UNSUPPORTED_FORMAT when it is unknown here
   */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < HEAD_BYTES) throw malformed(`an operation of ${end - start} bytes`);
    this.#bytes = bytes;
    this.#end = end;
    const operation = bytes[start];
    this.conditions = 0;
    this.#conditionsLeft = 0;
    if (operation === WriteOperation.put) {
      this.#left = 1;
      this.#at = start;
      this.#keyLengthOffset = 2;
      this.#flagsOffset = 1;
    } else if (operation === WriteOperation.batch) {
      if (bytes[start + 1] !== 0) throw malformed('byte 1 of the batch is not zero');
      this.conditions = bytes[start + 2] | (bytes[start + 3] << 8);
      this.#left = readUint32(bytes, start + 4);
      if (this.conditions > this.#left) throw malformed('more conditions than entries');
      this.#conditionsLeft = this.conditions;
      this.#at = start + HEAD_BYTES;
      this.#keyLengthOffset = 0;
      this.#flagsOffset = 2;
      if (this.#left === 0 && this.#at !== end) throw malformed('bytes behind an empty batch');
    } else if (operation > WriteOperation.batch) {
      throw unsupported(`operation ${operation} is unknown`);
    } else {
      throw malformed(`operation ${operation}`);
    }
  }

  /** Moves to the next condition, in place of the next put; returns false behind the last. */
  nextCondition(): boolean {
    if (this.#conditionsLeft === 0) return false;
    this.#step();
    return true;
  }

  /** The timestamp that the key of the current condition must have; 0: it must have no value. */
  get conditionTimestamp(): number {
    return readUint53(this.#bytes, this.recordStart);
  }

  /** The time by which values have expired for the current condition. */
  get conditionNowMs(): number {
    return readUint53(this.#bytes, this.recordStart + 8);
  }

  /**
   * Moves to the next put that was not dropped; returns false behind the last.
   * @throws LsmError INVALID_ARGUMENT when the put leaves the operation or has no valid record, UNSUPPORTED_FORMAT when
   *   its flags or its record are of a later version
   */
  next(): boolean {
    while (this.#left > 0) {
      const flags = this.#step();
      if (flags === 0 || flags === RANGE) return true;
    }
    return false;
  }

  /** Where the end key of the current range tombstone starts; it ends with the record. -1: it goes to the last key. */
  get rangeEndStart(): number {
    const at = this.recordStart + RECORD_HEADER_BYTES;
    return this.#bytes[at] === 0 ? -1 : at + 1;
  }

  /** Marks the current put as dropped, in the operation's own bytes. */
  drop(): void {
    this.#bytes[this.keyStart - HEAD_BYTES + this.#flagsOffset] = this.isRange ? DROPPED | RANGE : DROPPED;
  }

  /** Moves to the next put and returns its flags. */
  #step(): number {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + HEAD_BYTES > this.#end) throw malformed('the operation ends inside a put');
    const flags = bytes[at + this.#flagsOffset];
    const isCondition = flags === CONDITION;
    const isRange = (flags & ~DROPPED) === RANGE;
    if ((flags > CONDITION && !isRange) || (isCondition && this.conditions === 0))
      throw unsupported(`flags ${flags} of a put are unknown`);
    this.isRange = isRange;
    if (isCondition !== this.#conditionsLeft > 0)
      throw malformed('a condition behind a put, or a put in place of one');
    if (this.#flagsOffset === 2 && bytes[at + 3] !== 0) throw malformed('byte 3 of a put is not zero');
    const keyLengthAt = at + this.#keyLengthOffset;
    const keyLength = bytes[keyLengthAt] | (bytes[keyLengthAt + 1] << 8);
    this.keyStart = at + HEAD_BYTES;
    this.keyEnd = this.keyStart + keyLength;
    this.recordStart = this.keyEnd;
    this.recordEnd = this.recordStart + readUint32(bytes, at + 4);
    if (this.recordEnd > this.#end) throw malformed('a put leaves its operation');
    const fault = isCondition
      ? conditionFault(bytes, this.recordStart, this.recordEnd)
      : recordFault(bytes, this.recordStart, this.recordEnd);
    if (fault !== undefined) {
      const isLater = isOfLaterFormat(bytes, this.recordStart, this.recordEnd);
      throw isLater && !isCondition ? unsupported(fault) : malformed(fault);
    }
    if (isRange) {
      const fault = rangeFault(bytes, this.keyStart, this.keyEnd, this.recordStart, this.recordEnd);
      if (fault !== undefined) throw malformed(fault);
    }
    if (isCondition) this.#conditionsLeft--;
    this.#at = this.recordEnd;
    this.#left--;
    if (this.#left === 0 && this.#at !== this.#end) throw malformed('bytes behind the last put');
    return flags;
  }
}

function conditionFault(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start !== CONDITION_RECORD_BYTES) return `a condition of ${end - start} bytes`;
  if (bytes[start + 7] !== 0 || bytes[start + 6] > 0x1f)
    return 'the timestamp of a condition is above 53 bits';
  if (bytes[start + 15] !== 0 || bytes[start + 14] > 0x1f) return 'the time of a condition is above 53 bits';
  return undefined;
}

/** What is wrong with a range tombstone whose header is that of a record; undefined when nothing is. */
export function rangeFault(
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  recordStart: number,
  recordEnd: number,
): string | undefined {
  const at = recordStart + RECORD_HEADER_BYTES;
  if (at >= recordEnd || bytes[at] > 1) return 'a range tombstone does not say whether it has an end';
  if (bytes[at] === 0) return at + 1 === recordEnd ? undefined : 'a range tombstone without an end has one';
  if (recordEnd - at - 1 > MAX_KEY_BYTES) return 'the end of a range tombstone is too long for a key';
  return compareBytes(bytes, keyStart, keyEnd, bytes, at + 1, recordEnd) < 0
    ? undefined
    : 'a range tombstone does not end behind its start';
}

function malformed(what: string): LsmError {
  return new LsmError('INVALID_ARGUMENT', `malformed write: ${what}`);
}

function unsupported(what: string): LsmError {
  return new LsmError('UNSUPPORTED_FORMAT', `a write that this version does not know: ${what}`);
}
