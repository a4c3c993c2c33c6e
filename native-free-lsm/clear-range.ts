import type { ScanRange } from './iterator/key-range.ts';
import { WriteStatus } from './store/sinks.ts';
import type { RecordStore } from './store/store.ts';
import type { VersionSource } from './version-source.ts';

/**
 * Deletes a range in a version that is newer than everything that was written before. Only whoever writes to the store
 * itself can have given a later one: then the next version is tried.
 * @param timestamp the version of the call, which is older than those of all calls after it
 * @throws LsmError as a write fails with
 */
export async function clearRange(
  store: Pick<RecordStore, 'clear'>,
  range: ScanRange,
  timestamp: number,
  versions: Pick<VersionSource, 'next' | 'passed'>,
  isSynced: boolean,
): Promise<void> {
  for (let version = timestamp; ; version = versions.next()) {
    const newest = await clearAt(store, range, version, isSynced);
    if (newest === undefined) return;
    versions.passed(newest);
  }
}

/** Returns undefined when the range is deleted, and otherwise the timestamp of something that is newer. */
function clearAt(
  store: Pick<RecordStore, 'clear'>,
  range: ScanRange,
  timestamp: number,
  isSynced: boolean,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const onWrite = (
      _token: number,
      status: WriteStatus,
      metTimestamp: number,
      _metWriter: number,
      error: Error | null,
    ): void => {
      if (status === WriteStatus.failed) reject(error);
      else resolve(status === WriteStatus.stale ? metTimestamp : undefined);
    };
    store.clear(range, timestamp, { onWrite }, 0, isSynced);
  });
}
