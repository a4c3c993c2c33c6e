import { LsmError } from '../errors.ts';
import { recordFault } from '../format/record.ts';
import { allocationsStart } from '../memtable/arena-layout.ts';
import { Memtable } from '../memtable/memtable.ts';
import type { EngineOptions } from '../options.ts';
import { batchOperationBytes, MAX_KEY_BYTES, putOperationBytes } from '../wal/write-operation.ts';
import type { KeyedRecord } from './sinks.ts';

/** `maxRecordBytes` counts key and record; what frames them comes on top. */
const FRAMING_BYTES = 64;

/** What is wrong with a put, or undefined when nothing is. */
export function putFault(options: EngineOptions, key: Uint8Array, record: Uint8Array): LsmError | undefined {
  return contentFault(key, record) ?? sizeFault(options, putOperationBytes(key.length, record.length));
}

/** What is wrong with a batch: any of its puts, or its size, as it must fit into one memtable. */
export function batchFault(options: EngineOptions, puts: readonly KeyedRecord[]): LsmError | undefined {
  let entryBytes = 0;
  for (const { key, record } of puts) {
    const fault = contentFault(key, record);
    if (fault !== undefined) return fault;
    entryBytes += Memtable.entryBytes(key.length, record.length);
  }
  if (entryBytes > options.memtableBytes - allocationsStart(options.memtableBytes)) {
    return invalid(
      `a batch of ${puts.length} puts does not fit into one memtable: memtableBytes is ${options.memtableBytes}`,
    );
  }
  return sizeFault(options, batchOperationBytes(puts));
}

function contentFault(key: Uint8Array, record: Uint8Array): LsmError | undefined {
  if (key.length === 0) return invalid('a key has at least one byte');
  if (key.length > MAX_KEY_BYTES)
    return invalid(`a key has at most ${MAX_KEY_BYTES} bytes, not ${key.length}`);
  const fault = recordFault(record, 0, record.length);
  return fault === undefined ? undefined : invalid(fault);
}

function sizeFault({ maxRecordBytes }: EngineOptions, operationBytes: number): LsmError | undefined {
  if (operationBytes <= maxRecordBytes + FRAMING_BYTES) return undefined;
  return invalid(`a write of ${operationBytes} bytes is too large: maxRecordBytes is ${maxRecordBytes}`);
}

function invalid(message: string): LsmError {
  return new LsmError('INVALID_ARGUMENT', message);
}
