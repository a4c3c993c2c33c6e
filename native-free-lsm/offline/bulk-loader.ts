/**
 * Builds an engine's directory from sorted records, without log, memtable and compaction: for test databases and
 * restores. Many threads may write tables, each with ranges of keys of its own (`BulkTable`); one thread owns the
 * directories and puts the tables in force at the end (`BulkLoad`). Until then they are orphans: a directory whose load
 * was cut short has no manifest, and its tables are never read.
 */
import { join } from 'node:path';
import {
  arrayFault,
  bytesFault,
  folderFault,
  invalidArgument,
  refuse,
  wholeNumberFault,
} from '../arguments.ts';
import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import { copyFileSync } from '../fs/copy-file.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import { type TableMetadata, tableFileName, temporaryTableFileName } from '../sstable/table-metadata.ts';
import { TableWriter } from '../sstable/table-writer.ts';
import { CURRENT_FILE_NAME, LOCK_FILE_NAME, parseFileName } from '../version/file-names.ts';
import { Manifest } from '../version/manifest.ts';
import { LEVELS, Version } from '../version/version.ts';

export type { TableMetadata } from '../sstable/table-metadata.ts';

/**
 * One table, the same in each of `directories`. Each directory gets a file of its own, but the table is compressed
 * once, because compressing costs far more than writing. Disposing of it removes what was not finished.
 */
export class BulkTable implements Disposable {
  readonly #fs: FileSystem;
  readonly #directories: readonly string[];
  readonly #id: number;
  readonly #writer: TableWriter;

  /** @param hashSeed the same for all tables of a directory; otherwise reads would have to hash again for each */
  constructor(
    fs: FileSystem,
    directories: readonly string[],
    id: number,
    options: EngineOptions,
    hashSeed: HashSeed,
  ) {
    refuse(tableFault(fs, directories, id, hashSeed));
    this.#fs = fs;
    this.#directories = directories;
    this.#id = id;
    this.#writer = new TableWriter(fs, directories[0], id, tableOptions(options, true, hashSeed));
  }

  /**
   * Adds an entry, which is copied.
   * @throws LsmError INVALID_ARGUMENT when the key is not above the one before it, or a range is invalid; NO_SPACE,
   *   IO_ERROR; CLOSED after one of the two, after `finish`, and when it is disposed of
   */
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): void {
    refuse(
      sliceFault('key', keyBytes, keyStart, keyEnd) ??
        sliceFault('record', recordBytes, recordStart, recordEnd),
    );
    this.#writer.add(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd);
  }

  get entries(): number {
    return this.#writer.entries;
  }

  /**
   * Completes the table: its bytes are durable in every directory. Its name is durable once `BulkLoad.commit` has
   * returned.
   * @throws LsmError INVALID_ARGUMENT when nothing was added; NO_SPACE, IO_ERROR; CLOSED as `add`
   */
  finish(): TableMetadata {
    const metadata = this.#writer.finish(LEVELS - 1);
    const [first, ...others] = this.#directories;
    for (const directory of others) copyTable(this.#fs, first, directory, this.#id);
    return metadata;
  }

  [Symbol.dispose](): void {
    this.#writer.abandon();
  }
}

/**
 * The owner of a directory while it is loaded: no engine can open it meanwhile. Disposing of it unlocks the directory,
 * loaded or not.
 */
export class BulkLoad implements Disposable {
  readonly directory: string;
  readonly #fs: FileSystem;
  readonly #lock: Disposable;

  private constructor(fs: FileSystem, directory: string, lock: Disposable) {
    this.#fs = fs;
    this.directory = directory;
    this.#lock = lock;
  }

  /**
   * Takes a directory, or makes it. It must be empty when tables are written to it: see `clear`.
   * @throws LsmError LOCKED when the directory is open; then nothing is changed. IO_ERROR
   */
  static begin(fs: FileSystem, directory: string): BulkLoad {
    refuse(folderFault(fs, directory));
    try {
      fs.makeDirectorySync(directory);
    } catch (cause) {
      throw ioFailure('make the directory', directory, cause);
    }
    return new BulkLoad(fs, directory, fs.lockSync(join(directory, LOCK_FILE_NAME)));
  }

  /**
   * Removes what an unfinished load has left, and any other file of an engine. The caller must know that this is
   * wanted.
   */
  clear(): void {
    try {
      for (const name of this.#fs.listSync(this.directory)) {
        if (isEngineFile(name)) this.#fs.removeSync(join(this.directory, name));
      }
      this.#fs.syncDirectorySync(this.directory);
    } catch (cause) {
      throw ioFailure('empty', this.directory, cause);
    }
  }

  /**
   * Puts the tables in force, all in the last level, where ordinary writes would have brought them. Durable on return.
   * @param tables disjoint, as `BulkTable.finish` returned them for this directory, in any order
   * @throws LsmError INVALID_ARGUMENT when the directory holds a database; CORRUPTION when tables overlap or one is
   *   missing; NO_SPACE, IO_ERROR, POISONED
   */
  async commit(tables: readonly TableMetadata[]): Promise<void> {
    refuse(arrayFault('tables', tables));
    if (this.#fs.existsSync(join(this.directory, CURRENT_FILE_NAME))) {
      throw new LsmError(
        'INVALID_ARGUMENT',
        `${this.directory} holds a database: load into an empty directory`,
      );
    }
    try {
      for (const table of tables) this.#requireFile(table);
      this.#fs.syncDirectorySync(this.directory);
    } catch (cause) {
      throw ioFailure('sync the tables in', this.directory, cause);
    }
    const manifest = Manifest.create(this.#fs, this.directory, {
      version: Version.empty().apply({ added: tables, removed: [] }),
      oldestGeneration: 1,
      begunGeneration: 0,
      nextFileId: tables.reduce((next, { id }) => Math.max(next, id + 1), 1),
    });
    await manifest.close();
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  #requireFile({ id, fileSizeBytes }: TableMetadata): void {
    const path = join(this.directory, tableFileName(id));
    const sizeBytes = this.#fs.sizeSync(path);
    if (sizeBytes === fileSizeBytes) return;
    throw new LsmError('CORRUPTION', `${path} has ${sizeBytes} bytes instead of ${fileSizeBytes}`, {
      file: path,
      offset: Math.min(sizeBytes, fileSizeBytes),
    });
  }
}

function tableFault(
  fs: FileSystem,
  directories: readonly string[],
  id: number,
  { low, high }: HashSeed,
): LsmError | undefined {
  const fault = arrayFault('directories', directories);
  if (fault !== undefined) return fault;
  // Without one the path is missing that is named.
  for (const directory of directories.length === 0 ? [''] : directories) {
    const fault = folderFault(fs, directory);
    if (fault !== undefined) return fault;
  }
  return (
    wholeNumberFault('id', id, 1) ??
    wholeNumberFault('hashSeed.low', low, 0) ??
    wholeNumberFault('hashSeed.high', high, 0)
  );
}

/** A part of some bytes, given by its start and end. */
function sliceFault(name: string, bytes: Uint8Array, start: number, end: number): LsmError | undefined {
  const fault = bytesFault(`${name}Bytes`, bytes);
  if (fault !== undefined) return fault;
  if (Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= bytes.length)
    return undefined;
  return invalidArgument(
    `${name}Start and ${name}End must lie in ${bytes.length} bytes, not ${start} and ${end}`,
  );
}

function isEngineFile(name: string): boolean {
  const kind = parseFileName(name)?.kind;
  return kind !== undefined && kind !== 'lock' && kind !== 'lostFolder';
}

/** A second file of the same bytes, written, synced and named as the first was. */
function copyTable(fs: FileSystem, from: string, to: string, id: number): void {
  const temporaryPath = join(to, temporaryTableFileName(id));
  try {
    copyFileSync(fs, join(from, tableFileName(id)), temporaryPath);
    fs.renameSync(temporaryPath, join(to, tableFileName(id)));
  } catch (cause) {
    throw ioFailure('copy a table to', temporaryPath, cause);
  }
}
