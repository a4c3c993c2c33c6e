import { encodeRecord, type RecordFields, recordSizeBytes, writeRecord } from './format/record.ts';
import {
  BATCH_HEAD_BYTES,
  putOperationBytes,
  writeBatchHead,
  writeEntryHead,
} from './log/write-operation.ts';
import { Memtable } from './memtable/memtable.ts';
import type { DirectBatch, KeyedRecord } from './store/sinks.ts';
import { endOfLifeMs, type KeyOperation } from './write-requests.ts';

const NO_VALUE = new Uint8Array(0);

type MutableFields = { -readonly [Name in keyof RecordFields]: RecordFields[Name] };

/**
 * The operations of one call of `Engine.write`. They are encoded where the writer thread reads them: to make a record of
 * each first is most of what a batch of a thousand small values costs the main thread.
 */
export class OperationBatch implements DirectBatch {
  readonly operationBytes: number;
  readonly memtableBytes: number;
  readonly largestPutBytes: number;
  readonly #operations: readonly KeyOperation<Uint8Array>[];
  readonly #firstTimestamp: number;
  readonly #timestampStep: number;
  readonly #nowMs: number;

  /**
   * @param operations without a fault
   * @param firstTimestamp of the first one
   * @param nowMs the time of the call, from which lives are counted
   * @param timestampStep 1: each other has the next timestamp, so that the last of several operations on a key counts;
   *   0: all have the same, and each key comes once
   */
  constructor(
    operations: readonly KeyOperation<Uint8Array>[],
    firstTimestamp: number,
    nowMs: number,
    timestampStep: 0 | 1 = 1,
  ) {
    let operationBytes = BATCH_HEAD_BYTES;
    let memtableBytes = 0;
    let largestPutBytes = 0;
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i];
      const keyBytes = operation.key.length;
      const recordBytes = recordSizeBytes(valueBytesOf(operation).length, hasEnd(operation));
      const putBytes = putOperationBytes(keyBytes, recordBytes);
      if (putBytes > largestPutBytes) largestPutBytes = putBytes;
      operationBytes += putBytes;
      memtableBytes += Memtable.entryBytes(keyBytes, recordBytes);
    }
    this.operationBytes = operationBytes;
    this.memtableBytes = memtableBytes;
    this.largestPutBytes = largestPutBytes;
    this.#operations = operations;
    this.#firstTimestamp = firstTimestamp;
    this.#timestampStep = timestampStep;
    this.#nowMs = nowMs;
  }

  encode(target: Uint8Array, at: number): boolean {
    const operations = this.#operations;
    const fields = this.#firstFields();
    const end = at + this.operationBytes;
    let next = writeBatchHead(target, at, 0, operations.length);
    for (let i = 0; i < operations.length; i++) {
      const operation = operations[i];
      const { key } = operation;
      const value = valueBytesOf(operation);
      this.#setFields(fields, operation);
      const recordBytes = recordSizeBytes(value.length, fields.expiryMs > 0);
      if (next + putOperationBytes(key.length, recordBytes) > end) return false;
      next = writeRecord(target, writeEntryHead(target, next, 0, key, recordBytes), fields, value);
      fields.timestamp += this.#timestampStep;
    }
    return next === end;
  }

  puts(): KeyedRecord[] {
    const fields = this.#firstFields();
    return this.#operations.map((operation) => {
      this.#setFields(fields, operation);
      const record = encodeRecord(fields, valueBytesOf(operation));
      fields.timestamp += this.#timestampStep;
      return { key: operation.key, record };
    });
  }

  #firstFields(): MutableFields {
    return { timestamp: this.#firstTimestamp, writer: 0, tombstone: false, from: 1, expiryMs: 0 };
  }

  #setFields(fields: MutableFields, operation: KeyOperation<Uint8Array>): void {
    fields.tombstone = operation.type === 'delete';
    fields.expiryMs = hasEnd(operation) ? endOfLifeMs(operation.ttlMs, this.#nowMs) : 0;
  }
}

function valueBytesOf(operation: KeyOperation<Uint8Array>): Uint8Array {
  return operation.type === 'delete' ? NO_VALUE : operation.value;
}

function hasEnd(
  operation: KeyOperation<Uint8Array>,
): operation is KeyOperation<Uint8Array> & { readonly ttlMs: number } {
  return operation.type === 'put' && operation.ttlMs !== undefined;
}
