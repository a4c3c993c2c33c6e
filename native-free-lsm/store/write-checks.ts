import { arrayFault, bytesFault, describe, invalidArgument, keyFault } from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import { recordFault } from '../format/record.ts';
import { batchOperationBytes, putOperationBytes } from '../log/write-operation.ts';
import { allocationsStart } from '../memtable/arena-layout.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { EngineOptions } from '../options.ts';
import type { KeyedRecord } from './sinks.ts';

/** `maxRecordBytes` counts key and record; this is for the fields around them in an operation. */
const OPERATION_OVERHEAD_BYTES = 64;

/** The time-out of writes without one. */
export const NEVER = Number.POSITIVE_INFINITY;

export function timeoutFault(timeoutMs: number): LsmError | undefined {
  if (timeoutMs === NEVER || Number.isFinite(timeoutMs)) return undefined;
  return invalidArgument(`timeoutMs must be a number, not ${describe(timeoutMs)}`);
}

/** What is wrong with a put; undefined when nothing is. */
export function putFault(options: EngineOptions, key: Uint8Array, record: Uint8Array): LsmError | undefined {
  return keyFault('key', key) ?? contentFault('record', record) ?? sizeFault(options, key, record);
}

/** What is wrong with a batch: with any of its puts, or with its size, because it must fit into one memtable. */
export function batchFault(options: EngineOptions, puts: readonly KeyedRecord[]): LsmError | undefined {
  const fault = arrayFault('puts', puts);
  if (fault !== undefined) return fault;
  let entryBytes = 0;
  for (const [i, put] of puts.entries()) {
    const fault = elementFault(options, i, put);
    if (fault !== undefined) return fault;
    entryBytes += Memtable.entryBytes(put.key.length, put.record.length);
  }
  if (entryBytes > options.memtableBytes - allocationsStart(options.memtableBytes)) {
    return invalidArgument(
      `a batch of ${puts.length} puts does not fit into one memtable: memtableBytes is ${options.memtableBytes}`,
    );
  }
  const bytes = batchOperationBytes(puts);
  if (bytes <= options.maxBatchBytes + OPERATION_OVERHEAD_BYTES) return undefined;
  return invalidArgument(`a batch of ${bytes} bytes is too large: maxBatchBytes is ${options.maxBatchBytes}`);
}

function elementFault(options: EngineOptions, i: number, put: KeyedRecord): LsmError | undefined {
  if (typeof put !== 'object' || put === null)
    return invalidArgument(`puts[${i}] must be an object with key and record, not ${describe(put)}`);
  const { key, record } = put;
  // Names are made only for faulty puts.
  if (putFault(options, key, record) === undefined) return undefined;
  return (
    keyFault(`puts[${i}].key`, key) ??
    contentFault(`puts[${i}].record`, record) ??
    sizeFault(options, key, record)
  );
}

function contentFault(name: string, record: Uint8Array): LsmError | undefined {
  const notBytes = bytesFault(name, record);
  if (notBytes !== undefined) return notBytes;
  const fault = recordFault(record, 0, record.length);
  return fault === undefined ? undefined : invalidArgument(`${name}: ${fault}`);
}

function sizeFault(
  { maxRecordBytes }: EngineOptions,
  key: Uint8Array,
  record: Uint8Array,
): LsmError | undefined {
  const bytes = putOperationBytes(key.length, record.length);
  if (bytes <= maxRecordBytes + OPERATION_OVERHEAD_BYTES) return undefined;
  return invalidArgument(`a write of ${bytes} bytes is too large: maxRecordBytes is ${maxRecordBytes}`);
}
