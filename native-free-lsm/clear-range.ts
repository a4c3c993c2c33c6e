import { isEmptyRange, keyRange, type ScanRange } from './iterator/key-range.ts';
import { rangeRecord } from './log/write-operation.ts';
import { OperationBatch } from './operation-batch.ts';
import { type KeyedRecord, type WriteSink, WriteStatus } from './store/sinks.ts';
import type { RecordStore } from './store/store.ts';
import type { VersionSource } from './version-source.ts';
import type { BatchOperation } from './write-requests.ts';

type Versions = Pick<VersionSource, 'take' | 'passed'>;

/**
 * Deletes a range in a version that is newer than everything that was written before.
 * @param timestamp the version of the call, which is older than those of all calls after it
 * @throws LsmError as a write fails with
 */
export function clearRange(
  store: Pick<RecordStore, 'clear'>,
  range: ScanRange,
  timestamp: number,
  versions: Versions,
  isSynced: boolean,
): Promise<void> {
  return newerThanAll(timestamp, 1, versions, (version, sink) =>
    store.clear(range, version, sink, 0, isSynced),
  );
}

/**
 * Writes a batch of which some operations delete ranges, each in a version above those of the operations before it: so a
 * range hides what the batch has put into it before, and nothing behind.
 * @param first the version of the first operation
 * @param nowMs the time of the call, from which lives are counted
 * @throws LsmError as a write fails with
 */
export function writeWithClears(
  store: Pick<RecordStore, 'writeBatch'>,
  operations: readonly BatchOperation<Uint8Array>[],
  first: number,
  nowMs: number,
  versions: Versions,
  isSynced: boolean,
): Promise<void> {
  return newerThanAll(first, operations.length, versions, (version, sink) =>
    store.writeBatch(recordsOf(operations, version, nowMs), sink, 0, isSynced),
  );
}

/** A record for each operation, without those that delete a range in which no key can be. */
function recordsOf(
  operations: readonly BatchOperation<Uint8Array>[],
  first: number,
  nowMs: number,
): KeyedRecord[] {
  return operations.flatMap((operation, i) => {
    if (operation.type !== 'clear') return new OperationBatch([operation], first + i, nowMs).puts();
    const range = keyRange(operation);
    if (isEmptyRange(range)) return [];
    return [{ key: range.start, record: rangeRecord(first + i, range.end), isRange: true }];
  });
}

/**
 * What deletes a range must be newer than everything that was written before. Only whoever writes to the store itself can
 * have given a later version: then the next ones are tried.
 * @param first the first of `count` versions
 */
async function newerThanAll(
  first: number,
  count: number,
  versions: Versions,
  write: (first: number, sink: WriteSink) => void,
): Promise<void> {
  for (let version = first; ; version = versions.take(count)) {
    const newest = await newestMet((sink) => write(version, sink));
    if (newest === undefined) return;
    versions.passed(newest);
  }
}

/** Resolves with undefined when it is written, and otherwise with the timestamp of something that is newer. */
function newestMet(write: (sink: WriteSink) => void): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const onWrite = (
      _token: number,
      status: WriteStatus,
      metTimestamp: number,
      _metWriter: number,
      error: Error | null,
    ): void => {
      if (status === WriteStatus.failed) reject(error);
      // A batch of which nothing was left, as its ranges are empty, is stale too, and met nothing.
      else resolve(status === WriteStatus.stale && metTimestamp > 0 ? metTimestamp : undefined);
    };
    write({ onWrite });
  });
}
