import { join } from 'node:path';
import { LsmError, outOfMemory } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { loadRest, type OpenTable, openTable, readTableHead, type TableHead } from './load-table.ts';
import { MAX_LOADS, orSetAside, setAside } from './set-aside.ts';
import { MetaBlockType } from './table-format.ts';
import type { DeferredTable, TableHandle } from './table-handle.ts';
import { type TableMetadata, tableFileName } from './table-metadata.ts';

/**
 * A table of which an opening has read footer, directory and properties, so that it is there and the right one, and has
 * left index and filter for later. Its file is open until they are loaded: so nothing but the disk itself can keep them
 * from being read.
 */
export class LateTable implements DeferredTable, Disposable {
  readonly metadata: TableMetadata;
  readonly path: string;
  readonly slots: TableHandle['slots'];
  readonly filterBytes: number;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #file: OpenTable;
  readonly #head: TableHead;
  readonly #report: (message: string) => void;
  #handle: TableHandle | undefined;

  private constructor(
    fs: FileSystem,
    directory: string,
    file: OpenTable,
    head: TableHead,
    report: (message: string) => void,
  ) {
    this.metadata = head.metadata;
    this.path = head.path;
    this.slots = head.slots;
    const { metaBlocks } = head.layout;
    this.filterBytes = metaBlocks.find(({ type }) => type === MetaBlockType.bloomFilter)?.lengthBytes ?? 0;
    this.#fs = fs;
    this.#directory = directory;
    this.#file = file;
    this.#head = head;
    this.#report = report;
  }

  /** As `loadOrSetAside`, but for index and filter. */
  static open(
    fs: FileSystem,
    directory: string,
    metadata: TableMetadata,
    report: (message: string) => void,
  ): LateTable | TableHandle {
    return orSetAside(fs, directory, metadata, report, () => {
      const file = openTable(fs, join(directory, tableFileName(metadata.id)));
      try {
        return new LateTable(fs, directory, file, readTableHead(fs, file, metadata), report);
      } catch (error) {
        file[Symbol.dispose]();
        throw error;
      }
    });
  }

  /** @throws LsmError OVERLOADED when there is no memory for it: later there may be */
  load(): TableHandle {
    if (this.#handle !== undefined) return this.#handle;
    for (let loads = 1; this.#handle === undefined; loads++) {
      try {
        this.#handle = loadRest(this.#fs, this.#file.fd, this.#head);
      } catch (error) {
        const shortage = outOfMemory(`cannot load ${this.path}`, error, this.path);
        if (shortage !== undefined) throw shortage;
        if (!(error instanceof LsmError) || error.code === 'OVERLOADED') throw error;
        if (error.code !== 'CORRUPTION' && loads < MAX_LOADS) continue;
        this.#handle = setAside(this.#fs, this.#directory, this.metadata, this.#report, error);
      }
    }
    this.#file[Symbol.dispose]();
    return this.#handle;
  }

  /** Closes the file of one that is not loaded, and is not needed any more. */
  [Symbol.dispose](): void {
    if (this.#handle === undefined) this.#file[Symbol.dispose]();
  }
}
