import assert from 'node:assert/strict';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { type LogReplay, makeDurable, replayLog } from '../../../../native-free-lsm/log/log-reader.ts';
import {
  batchOperationBytes,
  encodeBatch,
  encodePut,
  type Put,
  putOperationBytes,
} from '../../../../native-free-lsm/log/write-operation.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';

export const DIRECTORY = '/db';
export const GENERATION = 7;
export const LOG_PATH = '/db/000007.log';

export function put(key: string, value: string, timestamp = 1): Put {
  const fields = { timestamp, writer: 2, tombstone: false, from: 3, expiryMs: 0 };
  return { key: Buffer.from(key), record: encodeRecord(fields, Buffer.from(value)) };
}

/** Frames as a ring holds them; several puts in one element are one batch operation. */
export function frames(operations: readonly (Put | readonly Put[])[]): Uint8Array {
  const parts: Uint8Array[] = [];
  operations.forEach((operation, tag) => {
    const puts = 'key' in operation ? [operation] : operation;
    const length =
      'key' in operation
        ? putOperationBytes(operation.key.length, operation.record.length)
        : batchOperationBytes(puts);
    const frame = Buffer.alloc((8 + length + 7) & -8);
    frame.writeUInt32LE(length, 0);
    frame.writeUInt32LE(tag + 77, 4);
    if ('key' in operation) encodePut(frame, 8, operation.key, operation.record);
    else encodeBatch(frame, 8, puts);
    parts.push(frame);
  });
  return Buffer.concat(parts);
}

/** `tornBytes` is all that an opening cuts off, also room. */
export interface Replayed extends Omit<LogReplay, 'syncedBytes' | 'roomBytes' | 'puts'> {
  /** `key=record in hex` of every put. */
  readonly puts: string[];
}

/** As an opening does it. */
export function replay(fs: MemoryFileSystem, generation = GENERATION): Replayed {
  const puts: string[] = [];
  const result = replayLog(fs, DIRECTORY, generation, (bytes, keyStart, keyEnd, recordStart, recordEnd) => {
    puts.push(
      shown({ key: bytes.subarray(keyStart, keyEnd), record: bytes.subarray(recordStart, recordEnd) }),
    );
  });
  makeDurable(fs, DIRECTORY, generation, result);
  const { syncedBytes: _, puts: count, roomBytes, tornBytes, ...rest } = result;
  assert.equal(count, puts.length);
  return { ...rest, tornBytes: tornBytes + roomBytes, puts };
}

export function shown({ key, record }: Put): string {
  return `${Buffer.from(key)}=${Buffer.from(record).toString('hex')}`;
}
