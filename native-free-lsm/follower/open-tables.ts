import { join } from 'node:path';
import { corruption, LsmError } from '../errors.ts';
import { type FileSystem, THREADS_SHARE_DESCRIPTORS } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { differingProperty } from '../sstable/properties.ts';
import { loadOrSetAside } from '../sstable/set-aside.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import type { Version } from '../version/version.ts';

interface OpenTable {
  readonly handle: TableHandle;
  readonly descriptor: number;
}

/**
 * Tables with their files held open: who writes the folder removes a table as soon as it is obsolete there, and an open
 * file is still all there.
 */
export class OpenTables {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #report: (message: string) => void;
  readonly #open = new Map<number, OpenTable>();
  /** Those that nobody was given yet. */
  readonly #new = new Set<number>();

  /** @param report called with sentences about tables that cannot be read */
  constructor(fs: FileSystem, directory: string, report: (message: string) => void) {
    this.#fs = fs;
    this.#directory = directory;
    this.#report = report;
  }

  get handles(): TableHandle[] {
    return [...this.#open.values()].map(({ handle }) => handle);
  }

  has(id: number): boolean {
    return this.#open.has(id);
  }

  /**
   * Opens a table, unless it is open.
   * @throws LsmError CORRUPTION when there is no such file, or it is another table; UNSUPPORTED_FORMAT, IO_ERROR;
   *   REPLACED when another table of this number is open
   */
  open(metadata: TableMetadata): void {
    const known = this.#open.get(metadata.id);
    const path = join(this.#directory, tableFileName(metadata.id));
    if (known !== undefined) {
      const differing = differingProperty(known.handle.metadata, metadata);
      if (differing === undefined) return;
      const message = `${path} is another table than before (they differ in ${differing})`;
      throw new LsmError('REPLACED', message, { file: path });
    }
    const descriptor = this.#openFile(path);
    try {
      const loaded = loadOrSetAside(this.#fs, this.#directory, metadata, this.#report);
      // Where threads do not share them, a thread that comes too late says that the file is gone.
      const handle = THREADS_SHARE_DESCRIPTORS ? { ...loaded, descriptor } : loaded;
      this.#open.set(metadata.id, { handle, descriptor });
      this.#new.add(metadata.id);
    } catch (error) {
      this.#fs.closeSync(descriptor);
      throw error;
    }
  }

  /** Those of a version that nobody was given yet; others that nobody was given are closed, as none will be. */
  takeNew(version: Version): TableHandle[] {
    const taken: TableHandle[] = [];
    const named = new Set(version.tables.map(({ id }) => id));
    for (const id of this.#new) {
      if (named.has(id)) taken.push((this.#open.get(id) as OpenTable).handle);
      else this.close(id);
    }
    this.#new.clear();
    return taken;
  }

  /** Nobody reads it any more. */
  close(id: number): void {
    const table = this.#open.get(id);
    if (table === undefined) return;
    this.#new.delete(id);
    this.#open.delete(id);
    this.#fs.closeSync(table.descriptor);
  }

  closeAll(): void {
    for (const id of [...this.#open.keys()]) this.close(id);
  }

  #openFile(path: string): number {
    try {
      return this.#fs.openReadSync(path);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw ioFailure('open', path, error);
      throw corruption(path, 0, 'the file is missing');
    }
  }
}
