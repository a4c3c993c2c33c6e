import { batchOperationBytes, putOperationBytes } from '../log/write-operation.ts';
import type { KeyedRecord, WriteSink } from './sinks.ts';
import { deletesRange, NEVER } from './write-checks.ts';

/** A write that waits on main, for room in the writer's ring or because it is held back. */
export interface QueuedWrite {
  readonly puts: readonly KeyedRecord[];
  readonly kind: WriteKind;
  /** Whether it deletes a range, alone or among others. */
  readonly hasRange: boolean;
  readonly payloadBytes: number;
  readonly sink: WriteSink;
  readonly token: number;
  readonly deadlineMs: number;
  readonly isSynced: boolean;
  /** Of a batch: what must be so, each with a record as log/write-operation.ts has it. */
  readonly conditions: readonly KeyedRecord[];
  /** The number of the last large batch that was called before it, where it must see that. */
  readonly behind: number;
}

/** Which operation a write is; log/write-operation.ts has their layouts. */
export const WriteKind = { put: 0, batch: 1, range: 2 } as const;
type WriteKind = (typeof WriteKind)[keyof typeof WriteKind];

export const NO_CONDITIONS: readonly KeyedRecord[] = [];

export function onePut(
  key: Uint8Array,
  record: Uint8Array,
  payloadBytes: number,
  sink: WriteSink,
  token: number,
  deadlineMs: number,
  isSynced: boolean,
): QueuedWrite {
  const puts = [{ key, record }];
  const kind = WriteKind.put;
  const conditions = NO_CONDITIONS;
  const hasRange = false;
  return { puts, kind, hasRange, payloadBytes, sink, token, deadlineMs, isSynced, conditions, behind: 0 };
}

/** @param put where the range begins, and a `rangeRecord` */
export function rangeOf(put: KeyedRecord, sink: WriteSink, token: number, isSynced: boolean): QueuedWrite {
  const payloadBytes = putOperationBytes(put.key.length, put.record.length);
  return {
    ...onePut(put.key, put.record, payloadBytes, sink, token, NEVER, isSynced),
    kind: WriteKind.range,
    hasRange: true,
  };
}

export function batchOf(
  puts: readonly KeyedRecord[],
  conditions: readonly KeyedRecord[],
  sink: WriteSink,
  token: number,
  isSynced: boolean,
  behind = 0,
): QueuedWrite {
  const payloadBytes = batchOperationBytes(puts, conditions);
  const kind = WriteKind.batch;
  const hasRange = deletesRange(puts);
  const deadlineMs = NEVER;
  return { puts, kind, hasRange, payloadBytes, sink, token, deadlineMs, isSynced, conditions, behind };
}
