import { join } from 'node:path';
import type { HashSeed } from '../format/hash.ts';
import type { DirectoryLock, FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type EngineOptions, NO_SEED } from '../options.ts';
import { fingerprintSeedOf, hashSeedOf } from '../sstable/load-table.ts';
import { loadOrSetAside } from '../sstable/set-aside.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
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
 * @throws LsmError LOCKED, FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR; then nothing is
 *   changed
 */
export function recover(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
): RecoveredState {
  try {
    const contents = folderContents(fs, directory);
    refuseForeign(contents);
    if (!options.createIfMissing) refuseMissing(contents);
    if (!fs.existsSync(directory)) fs.makeDirectorySync(directory);
    const lock = fs.lockSync(join(directory, LOCK_FILE_NAME));
    try {
      const state = readServableState(fs, directory, options, report, drawHashSeed);
      const { hashSeed, tables } = state;
      const given = options.fingerprintSeed ?? fingerprintSeedOf(tables);
      const fingerprintSeed = given ?? NO_SEED;
      const complete = { ...options, fingerprintSeed: given ?? null };
      const context = { fs, directory, options: complete, report, hashSeed };
      return { lock, options: complete, fingerprintSeed, ...takeOver(context, lock, state) };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw ioFailure('open', directory, error);
  }
}

/**
 * Reads everything into memory that a read needs: the indexes and filters of all tables, and a memtable of each log.
 * Changes nothing.
 * @param report called with sentences about tables that cannot be read
 */
export function readServableState(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
): ServableState {
  let hashSeed: HashSeed | undefined;
  const seedFor = (handles: readonly TableHandle[]): HashSeed => {
    hashSeed ??= hashSeedOf(handles) ?? drawHashSeed();
    return hashSeed;
  };
  const state = readState<TableHandle, RecoveredLog>(fs, directory, {
    table: (metadata) => loadOrSetAside(fs, directory, metadata, report),
    log: (generation, isBegun, handles) =>
      recoverLogs(fs, directory, [generation], options.memtableBytes, seedFor(handles), isBegun),
  });
  return { ...state, hashSeed: seedFor(state.tables) };
}
