import {
  arrayFault,
  bytesFault,
  describe,
  elementsFault,
  fieldsFault,
  invalidArgument,
  keyFault,
  wholeNumberFault,
} from '../arguments.ts';
import type { LsmError } from '../errors.ts';
import { recordFault } from '../format/record.ts';
import type { ScanRange } from '../iterator/key-range.ts';
import {
  batchOperationBytes,
  conditionRecord,
  MAX_CONDITIONS,
  putOperationBytes,
  rangeFault,
} from '../log/write-operation.ts';
import { allocationsStart } from '../memtable/arena-layout.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { EngineOptions } from '../options.ts';
import type { DirectBatch, KeyCondition, KeyedRecord } from './sinks.ts';

/** `maxRecordBytes` counts key and record; this is for the fields around them in an operation. */
export const OPERATION_OVERHEAD_BYTES = 64;
/** Offsets in a batch that is sorted have 32 bits. */
const MAX_LARGE_BATCH_BYTES = 0xffff_ffff;

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

/** What is wrong with a range that is to be deleted. @param record a `rangeRecord` */
export function clearFault(
  options: EngineOptions,
  { start, end }: ScanRange,
  record: Uint8Array,
): LsmError | undefined {
  const fault =
    keyFault('range.start', start) ??
    (end === null ? undefined : keyFault('range.end', end)) ??
    sizeFault(options, start, record);
  return fault ?? watermarksFault(options);
}

/** Others are compared with a store that has watermarks key by key, so it deletes no ranges. */
function watermarksFault({ watermarks }: EngineOptions): LsmError | undefined {
  if (watermarks === null) return undefined;
  return invalidArgument(
    'a store with watermarks deletes no ranges, as others are compared with it key by key: delete the keys',
  );
}

/** Whether one of the puts of a batch deletes a range. */
export function deletesRange(puts: readonly KeyedRecord[]): boolean {
  for (let i = 0; i < puts.length; i++) if (puts[i].isRange === true) return true;
  return false;
}

/** What is wrong with a batch for which a memtable has no room: it would have to go into tables, and ranges do not. */
export function largeBatchFault(
  { maxBatchBytes }: EngineOptions,
  puts: readonly KeyedRecord[],
): LsmError | undefined {
  if (!deletesRange(puts)) return undefined;
  return invalidArgument(
    `a batch of ${batchOperationBytes(puts)} bytes is too large for one that deletes ranges: maxBatchBytes is ` +
      `${maxBatchBytes}, and it must fit into one memtable`,
  );
}

/** What is wrong with any put of a batch, or with the size of one that no memory holds. */
export function batchFault(options: EngineOptions, puts: readonly KeyedRecord[]): LsmError | undefined {
  const fault = arrayFault('puts', puts);
  if (fault !== undefined) return fault;
  let bytes = 0;
  for (let i = 0; i < puts.length; i++) {
    const fault = elementFault(options, i, puts[i]);
    if (fault !== undefined) return fault;
    bytes += putOperationBytes(puts[i].key.length, puts[i].record.length);
  }
  if (bytes <= MAX_LARGE_BATCH_BYTES) return undefined;
  return invalidArgument(
    `a batch of ${bytes} bytes is too large: at most ${MAX_LARGE_BATCH_BYTES} are possible`,
  );
}

/**
 * Whether a batch goes the way of single writes, through the log into one memtable.
 * @param puts without a fault
 */
export function fitsMemtable(
  options: EngineOptions,
  puts: readonly KeyedRecord[],
  conditions: readonly KeyCondition[] = NO_CONDITIONS,
): boolean {
  const bytes = batchOperationBytes(puts) + conditionsBytes(conditions);
  if (bytes > options.maxBatchBytes + OPERATION_OVERHEAD_BYTES) return false;
  let entryBytes = 0;
  for (const { isRange, key, record } of puts)
    entryBytes +=
      isRange === true
        ? Memtable.rangeBytes(key.length, record.length)
        : Memtable.entryBytes(key.length, record.length);
  return entryBytes <= options.memtableBytes - allocationsStart(options.memtableBytes);
}

/** Whether all is as `batchFault` and `fitsMemtable` ask of a batch. */
export function isOrdinary(options: EngineOptions, batch: DirectBatch): boolean {
  return (
    batch.largestPutBytes <= options.maxRecordBytes + OPERATION_OVERHEAD_BYTES &&
    batch.operationBytes <= options.maxBatchBytes + OPERATION_OVERHEAD_BYTES &&
    batch.memtableBytes <= options.memtableBytes - allocationsStart(options.memtableBytes)
  );
}

/** What is wrong with a batch that depends on conditions: they are judged where single writes go. */
export function conditionalBatchFault(
  options: EngineOptions,
  puts: readonly KeyedRecord[],
  conditions: readonly KeyCondition[],
): LsmError | undefined {
  const fault =
    keyConditionsFault(conditions) ??
    batchFault(options, puts) ??
    (deletesRange(puts) ? invalidArgument('a batch with conditions deletes no ranges') : undefined);
  if (fault !== undefined || fitsMemtable(options, puts, conditions)) return fault;
  const bytes = batchOperationBytes(puts) + conditionsBytes(conditions);
  return invalidArgument(
    `a batch of ${bytes} bytes is too large for one with conditions: maxBatchBytes is ${options.maxBatchBytes}, ` +
      'and it must fit into one memtable',
  );
}

const NO_CONDITIONS: readonly KeyCondition[] = [];
const CONDITION_BYTES = conditionRecord(0, 0).length;

function conditionsBytes(conditions: readonly KeyCondition[]): number {
  let bytes = 0;
  for (const { key } of conditions) bytes += putOperationBytes(key.length, CONDITION_BYTES);
  return bytes;
}

/** What is wrong with the conditions of a batch. */
function keyConditionsFault(conditions: readonly KeyCondition[]): LsmError | undefined {
  const fault =
    arrayFault('conditions', conditions) ?? elementsFault('conditions', conditions, conditionFault);
  if (fault !== undefined || (conditions.length > 0 && conditions.length <= MAX_CONDITIONS)) return fault;
  return invalidArgument(`conditions must be 1 to ${MAX_CONDITIONS}, not ${conditions.length}`);
}

function conditionFault(name: string, condition: unknown): LsmError | undefined {
  const fault = fieldsFault(name, condition, ['key', 'timestamp', 'nowMs']);
  if (fault !== undefined) return fault;
  const { key, nowMs, timestamp } = condition as KeyCondition;
  return (
    keyFault(`${name}.key`, key) ??
    wholeNumberFault(`${name}.timestamp`, timestamp, 0) ??
    wholeNumberFault(`${name}.nowMs`, nowMs, 0)
  );
}

function elementFault(options: EngineOptions, i: number, put: KeyedRecord): LsmError | undefined {
  if (typeof put !== 'object' || put === null)
    return invalidArgument(`puts[${i}] must be an object with key and record, not ${describe(put)}`);
  const { isRange, key, record } = put;
  // Names are made only for faulty puts.
  if (putFault(options, key, record) === undefined)
    return isRange === true ? rangePutFault(options, i, put) : undefined;
  return (
    keyFault(`puts[${i}].key`, key) ??
    contentFault(`puts[${i}].record`, record) ??
    sizeFault(options, key, record)
  );
}

function rangePutFault(
  options: EngineOptions,
  i: number,
  { key, record }: KeyedRecord,
): LsmError | undefined {
  const bytes = Buffer.concat([key, record]);
  const fault = rangeFault(bytes, 0, key.length, key.length, bytes.length);
  return fault === undefined ? watermarksFault(options) : invalidArgument(`puts[${i}]: ${fault}`);
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
