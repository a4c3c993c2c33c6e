import { LsmError } from '../errors.ts';
import { readUint32, writeUint32 } from '../format/integers.ts';
import { isOfLaterFormat, recordFault } from '../format/record.ts';

/**
 * A write operation: the payload of one frame of the writer's ring and, the same bytes, of one frame of the
 * log. Integers are little-endian, keys and records follow one another without padding.
 *
 *   put    u8 1, u8 flags, u16 key length, u32 record length, key, record
 *   batch  u8 2, u8 0, u16 0, u32 count,
 *          then count × (u16 key length, u8 flags, u8 0, u32 record length, key, record)
 *
 * Flag bit 0: dropped. The writer had found a newer version of the key in an older memtable or a table; the
 * put is passed over here and at every replay, where it would hide that one. Other flags are refused.
 *
 * Operation 0 stays unused, so that zeroed bytes are never an operation; the others are reserved and refused.
 */
const WriteOperation = { put: 1, batch: 2 } as const;

const DROPPED = 1;
/** Fixed bytes of an operation, and of each put of a batch. */
const HEAD_BYTES = 8;
export const MAX_KEY_BYTES = 0xffff;

export interface Put {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
}

export function putOperationBytes(keyBytes: number, recordBytes: number): number {
  return HEAD_BYTES + keyBytes + recordBytes;
}

/** Writes one put at `at`; the key has at most `MAX_KEY_BYTES`. */
export function encodePut(target: Uint8Array, at: number, key: Uint8Array, record: Uint8Array): void {
  target[at] = WriteOperation.put;
  target[at + 1] = 0;
  writeKeyAndRecord(target, at, at + 2, key, record);
}

export function batchOperationBytes(puts: readonly Put[]): number {
  let bytes = HEAD_BYTES;
  for (const { key, record } of puts) bytes += putOperationBytes(key.length, record.length);
  return bytes;
}

/** Writes puts that are applied together; after a crash all of them are there, or none. */
export function encodeBatch(target: Uint8Array, at: number, puts: readonly Put[]): void {
  target[at] = WriteOperation.batch;
  target[at + 1] = 0;
  target[at + 2] = 0;
  target[at + 3] = 0;
  writeUint32(target, at + 4, puts.length);
  let next = at + HEAD_BYTES;
  for (const { key, record } of puts) {
    target[next + 2] = 0;
    target[next + 3] = 0;
    next = writeKeyAndRecord(target, next, next, key, record);
  }
}

function writeKeyAndRecord(
  target: Uint8Array,
  at: number,
  keyLengthAt: number,
  key: Uint8Array,
  record: Uint8Array,
): number {
  target[keyLengthAt] = key.length;
  target[keyLengthAt + 1] = key.length >>> 8;
  writeUint32(target, at + 4, record.length);
  target.set(key, at + HEAD_BYTES);
  target.set(record, at + HEAD_BYTES + key.length);
  return at + HEAD_BYTES + key.length + record.length;
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

  /**
   * Starts at the operation in `bytes[start, end)`; `next` then moves to its first put.
   * @throws LsmError INVALID_ARGUMENT when it is no operation, UNSUPPORTED_FORMAT when it is unknown here
   */
  reset(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < HEAD_BYTES) throw malformed(`an operation of ${end - start} bytes`);
    this.#bytes = bytes;
    this.#end = end;
    const operation = bytes[start];
    if (operation === WriteOperation.put) {
      this.#left = 1;
      this.#at = start;
      this.#keyLengthOffset = 2;
      this.#flagsOffset = 1;
    } else if (operation === WriteOperation.batch) {
      if ((bytes[start + 1] | bytes[start + 2] | bytes[start + 3]) !== 0) {
        throw malformed('bytes 1 to 3 of the batch are not zero');
      }
      this.#left = readUint32(bytes, start + 4);
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

  /**
   * Moves to the next put that was not dropped; returns false behind the last.
   * @throws LsmError INVALID_ARGUMENT when the put leaves the operation or has no valid record, UNSUPPORTED_FORMAT when
   *   its flags or its record are of a later version
   */
  next(): boolean {
    while (this.#left > 0) {
      if (this.#step() !== DROPPED) return true;
    }
    return false;
  }

  /** Marks the current put as dropped, in the operation's own bytes. */
  drop(): void {
    this.#bytes[this.keyStart - HEAD_BYTES + this.#flagsOffset] = DROPPED;
  }

  /** Moves to the next put and returns its flags. */
  #step(): number {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + HEAD_BYTES > this.#end) throw malformed('the operation ends inside a put');
    const flags = bytes[at + this.#flagsOffset];
    if (flags > DROPPED) throw unsupported(`flags ${flags} of a put are unknown`);
    if (this.#flagsOffset === 2 && bytes[at + 3] !== 0) throw malformed('byte 3 of a put is not zero');
    const keyLengthAt = at + this.#keyLengthOffset;
    const keyLength = bytes[keyLengthAt] | (bytes[keyLengthAt + 1] << 8);
    this.keyStart = at + HEAD_BYTES;
    this.keyEnd = this.keyStart + keyLength;
    this.recordStart = this.keyEnd;
    this.recordEnd = this.recordStart + readUint32(bytes, at + 4);
    if (this.recordEnd > this.#end) throw malformed('a put leaves its operation');
    const fault = recordFault(bytes, this.recordStart, this.recordEnd);
    if (fault !== undefined) {
      const isLater = isOfLaterFormat(bytes, this.recordStart, this.recordEnd);
      throw isLater ? unsupported(fault) : malformed(fault);
    }
    this.#at = this.recordEnd;
    this.#left--;
    if (this.#left === 0 && this.#at !== this.#end) throw malformed('bytes behind the last put');
    return flags;
  }
}

function malformed(what: string): LsmError {
  return new LsmError('INVALID_ARGUMENT', `malformed write: ${what}`);
}

function unsupported(what: string): LsmError {
  return new LsmError('UNSUPPORTED_FORMAT', `a write that this version does not know: ${what}`);
}
