import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import type { TableHandle } from './table-handle.ts';
import { refuseUnreadable } from './unreadable-table.ts';

interface OpenTable {
  readonly id: number;
  readonly fd: number;
  lastUse: number;
}

/**
 * The open table files of one thread. Between two calls of `trim` it may hold more than its capacity, so that no
 * descriptor in use is closed. Call `trim` when no iterator and no read is running.
 */
export class DescriptorCache {
  readonly #fs: FileSystem;
  readonly #capacity: number;
  readonly #open = new Map<number, OpenTable>();
  #uses = 0;
  /** Whether there may be too many. A field, as the size of a Map is asked by a call. */
  #mayExceed = false;

  constructor(fs: FileSystem, capacity: number) {
    this.#fs = fs;
    this.#capacity = capacity;
  }

  /** @throws LsmError IO_ERROR when the file cannot be opened, CORRUPTION when nothing of the table can be read */
  get(handle: TableHandle): number {
    refuseUnreadable(handle);
    return this.getForSlotVersions(handle);
  }

  /**
   * Like `get`, also for a table of which nothing but its slot versions can be read.
   * @throws LsmError IO_ERROR
   */
  getForSlotVersions(handle: TableHandle): number {
    if (handle.descriptor !== undefined) return handle.descriptor;
    const id = handle.metadata.id;
    let table = this.#open.get(id);
    if (table === undefined) {
      table = { id, fd: this.#openFile(handle.path), lastUse: 0 };
      this.#open.set(id, table);
      this.#mayExceed = this.#open.size > this.#capacity;
    }
    table.lastUse = ++this.#uses;
    return table.fd;
  }

  /** Closes the file of a table that no longer exists. */
  forget(tableId: number): void {
    const table = this.#open.get(tableId);
    if (table === undefined) return;
    this.#open.delete(tableId);
    try {
      this.#fs.closeSync(table.fd);
    } catch {
      // It was only read: nothing is lost, and nobody can do anything.
    }
  }

  /** Closes the files used longest ago until the rest fit into the capacity. */
  trim(): void {
    if (!this.#mayExceed) return;
    this.#mayExceed = false;
    const excess = this.#open.size - this.#capacity;
    if (excess <= 0) return;
    const byUse = [...this.#open.values()].sort((a, b) => a.lastUse - b.lastUse);
    for (const table of byUse.slice(0, excess)) this.forget(table.id);
  }

  closeAll(): void {
    for (const id of [...this.#open.keys()]) this.forget(id);
  }

  #openFile(path: string): number {
    try {
      return this.#fs.openReadSync(path);
    } catch (error) {
      throw ioFailure('open', path, error);
    }
  }
}
