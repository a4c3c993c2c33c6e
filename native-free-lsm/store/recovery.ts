import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { DirectoryLock, FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type EngineOptions, NO_SEED } from '../options.ts';
import { LateTable } from '../sstable/late-table.ts';
import { fingerprintSeedOf, hashSeedOf } from '../sstable/load-table.ts';
import { loadOrSetAside } from '../sstable/set-aside.ts';
import type { OpenedTable } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { LOCK_FILE_NAME } from '../version/file-names.ts';
import { folderContents } from '../version/folder-contents.ts';
import { refuseForeign, refuseMissing } from './folder-checks.ts';
import { readState } from './read-state.ts';
import { type RecoveredLog, recoverLogs } from './recovered-log.ts';
import { type ServableState, type TakenOver, takeOver } from './take-over.ts';

/** What is on disk, ready to serve: the engine's state as of its last acknowledged write. */
export interface RecoveredState extends TakenOver {
  readonly lock: DirectoryLock;
  /** As given, with what the folder decides. */
  readonly options: EngineOptions;
  readonly fingerprintSeed: HashSeed;
}

/**
 * Opens a directory: takes its lock, reads what it holds, and takes it over. Runs on the main thread before anything
 * is served.
 * @param loadedBytes how many bytes of indexes and filters are loaded; the other tables are `late`
 * @throws LsmError LOCKED, FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR; then nothing is
 *   changed
 */
export function recover(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
  loadedBytes = Number.POSITIVE_INFINITY,
): RecoveredState {
  try {
    const contents = folderContents(fs, directory);
    refuseForeign(contents);
    if (!options.createIfMissing) refuseMissing(contents);
    if (!fs.existsSync(directory)) fs.makeDirectorySync(directory);
    const lock = fs.lockSync(join(directory, LOCK_FILE_NAME));
    let tables: readonly OpenedTable[] = [];
    try {
      const state = readServableState(fs, directory, options, report, drawHashSeed, loadedBytes);
      const { hashSeed } = state;
      tables = state.tables;
      const given = options.fingerprintSeed ?? fingerprintSeedOf(tables);
      const fingerprintSeed = given ?? NO_SEED;
      const complete = { ...options, fingerprintSeed: given ?? null };
      const context = { fs, directory, options: complete, report, hashSeed };
      return { lock, options: complete, fingerprintSeed, ...takeOver(context, lock, state) };
    } catch (error) {
      closeLate(tables);
      lock[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw ioFailure('open', directory, error);
  }
}

/**
 * Reads into memory what a read needs: the tables, and a memtable of each log.
 * Changes nothing.
 * @param report called with sentences about tables that cannot be read
 * @param loadedBytes from so many bytes of indexes and filters on, those of other tables are left for later
 */
export function readServableState(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
  loadedBytes = Number.POSITIVE_INFINITY,
): ServableState {
  let hashSeed: HashSeed | undefined;
  const seedFor = (tables: readonly OpenedTable[]): HashSeed => {
    hashSeed ??= hashSeedOf(tables) ?? drawHashSeed();
    return hashSeed;
  };
  const late: OpenedTable[] = [];
  let leftBytes = loadedBytes;
  let maxLateTables = options.maxOpenFilesPerThread;
  const open = (metadata: TableMetadata): OpenedTable => {
    // Range tombstones decide about the keys of other tables.
    const mayBeLate = leftBytes <= 0 && metadata.rangeTombstones === undefined;
    // Their files are open until they are loaded.
    if (mayBeLate && late.length < maxLateTables) {
      try {
        const table = LateTable.open(fs, directory, metadata, report);
        late.push(table);
        return table;
      } catch (error) {
        if (!isOutOfFiles(error)) throw error;
        // The threads need some as well when they start.
        for (const table of late) if ('load' in table) table.load();
        maxLateTables = 0;
      }
    }
    const handle = loadOrSetAside(fs, directory, metadata, report);
    leftBytes -= handle.index.byteLength + handle.filter.byteLength;
    return handle;
  };
  try {
    const state = readState<OpenedTable, RecoveredLog>(fs, directory, {
      table: open,
      log: (generation, isBegun, tables) =>
        recoverLogs(fs, directory, [generation], options.memtableBytes, seedFor(tables), isBegun),
    });
    // Tables in quarantine are compared with all others.
    const isCompared = state.found.version.quarantine.length > 0;
    const tables = isCompared
      ? state.tables.map((table) => ('load' in table ? table.load() : table))
      : state.tables;
    return { ...state, tables, hashSeed: seedFor(tables) };
  } catch (error) {
    closeLate(late);
    throw error;
  }
}

/** Whether the process has as many files open as it may. */
function isOutOfFiles(error: unknown): boolean {
  return error instanceof LsmError && (error.systemCode === 'EMFILE' || error.systemCode === 'ENFILE');
}

/** For those that nobody will load any more. */
function closeLate(tables: readonly OpenedTable[]): void {
  for (const table of tables) if ('load' in table) table[Symbol.dispose]();
}
