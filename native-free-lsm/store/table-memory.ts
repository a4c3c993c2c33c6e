import type { TableHandle } from '../sstable/table-handle.ts';

/** More than this does not lie free for long. */
const MAX_FREE_BYTES = 16 * 1024 * 1024;
const MAX_FREE = 256;

/**
 * Shared memory of indexes and filters, which serves for other tables once no thread reads a table any more: jobs are
 * lent what is free. As garbage it would be there until every thread that has ever read the table collects garbage.
 * Threads that work in shared memory make so little of their own that this takes hours, and V8 does not count shared
 * memory when it decides. So small tables that are merged all the time left many times the memory of those in force.
 */
export class TableMemory {
  #free: SharedArrayBuffer[] = [];

  get freeBytes(): number {
    return this.#free.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Takes everything that is free, for a job. */
  lend(): readonly SharedArrayBuffer[] {
    const lent = this.#free;
    this.#free = [];
    return lent;
  }

  /**
   * Takes back what was lent, when the job has ended.
   * @param left the places in `lent` of what was not used; all of it is not used when the job has failed
   */
  takeBack(lent: readonly SharedArrayBuffer[], left: Iterable<number> = lent.keys()): void {
    for (const place of left) this.#add(lent[place]);
  }

  /** Takes the memory of a table that no thread reads any more. */
  release({ filter, index }: TableHandle): void {
    this.#add(index);
    this.#add(filter);
  }

  #add(piece: ArrayBufferLike): void {
    if (!(piece instanceof SharedArrayBuffer) || piece.byteLength === 0) return;
    if (this.#free.length === MAX_FREE || this.freeBytes + piece.byteLength > MAX_FREE_BYTES)
      this.#free.shift();
    this.#free.push(piece);
  }
}
