import { corruption } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import { createArena, MAX_ARENA_BYTES } from '../memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';
import type { PutVisitor } from './batch-puts.ts';

/** A memtable with the newest version of each key that `read` has found, and what `read` has returned. */
export interface FilledMemtable<Result> {
  readonly memory: SharedArrayBuffer;
  readonly memtable: Memtable;
  readonly result: Result;
}

/**
 * Makes a memtable of the puts of a log, or of several. They may not fit, because other options were in force when they
 * were written, or because there are several logs: then they are read again into twice the memory.
 * @param path of the log, for the error
 * @param read hands each put to `insert`; called again for each attempt
 * @throws LsmError CORRUPTION when no memtable can hold it, and what `read` throws
 */
export function fillMemtable<Result>(
  path: string,
  generation: number,
  arenaBytes: number,
  hashSeed: HashSeed,
  read: (insert: PutVisitor) => Result,
): FilledMemtable<Result> {
  for (let bytes = arenaBytes; ; bytes = Math.min(2 * bytes, MAX_ARENA_BYTES)) {
    const memory = createArena(bytes, hashSeed);
    const memtable = new Memtable(memory);
    memtable.reset(generation);
    let isFull = false;
    const result = read((log, keyStart, keyEnd, recordStart, recordEnd, rangeEndStart) => {
      if (isFull) return;
      const status =
        rangeEndStart === undefined
          ? memtable.insertUnlinked(log, keyStart, keyEnd, log, recordStart, recordEnd)
          : memtable.insertRange(log, keyStart, keyEnd, recordStart, rangeEndStart, recordEnd);
      isFull = status === InsertStatus.full;
    });
    if (!isFull) {
      memtable.linkNew();
      memtable.publish();
      return { memory, memtable, result };
    }
    if (bytes === MAX_ARENA_BYTES) throw corruption(path, 0, 'it holds more than any memtable can');
  }
}
