import type { Worker } from './conditions.ts';
import type { StoreParts } from './wire-store.ts';

/** Up to this size of its memtable a log is replayed within some milliseconds. */
const SHORT_BYTES = 1024 * 1024;
const NEEDED: readonly Worker[] = ['tables', 'log', 'manifest', 'flush', 'writer'];

/**
 * Has memtables flushed before the store closes, if their logs are long: the next opening would have to replay them
 * before it can answer anything, and then flush them all the same. (SQLite ends its write-ahead log so at the last
 * close, and Badger flushes.) Nothing depends on it, so it is left out where anything might keep it waiting.
 */
export async function flushLongLogs(parts: StoreParts): Promise<void> {
  const { arenas, conditions, held, maintenance, seal, writer } = parts;
  if (writer.fault !== undefined || held.reason !== undefined) return;
  if (NEEDED.some((worker) => conditions.isFailing(worker))) return;
  const active = arenas.activeGeneration;
  try {
    if (sealedBytes(parts) > SHORT_BYTES) await maintenance.flushed(active);
    if (arenas.memtable(active).contentBytes <= SHORT_BYTES) return;
    // Then the writer gets no other memtable.
    if (maintenance.stopsWriter('flush') || maintenance.stopsWriter('compaction')) return;
    await seal();
    await maintenance.flushed(arenas.activeGeneration);
  } catch {
    // The logs have it.
  }
}

function sealedBytes({ arenas, superVersions }: StoreParts): number {
  let bytes = 0;
  for (let g = superVersions.current.oldestGeneration; g < arenas.activeGeneration; g++)
    bytes += arenas.memtable(g).contentBytes;
  return bytes;
}
