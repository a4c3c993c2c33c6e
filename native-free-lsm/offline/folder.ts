import { join } from 'node:path';
import { folderFault, refuse } from '../arguments.ts';
import { LsmError, type LsmErrorCode } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { logFileName } from '../log/log-format.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { CURRENT_FILE_NAME, LOCK_FILE_NAME, manifestFileName, parseFileName } from '../version/file-names.ts';

/** A place in a file where something is not what was written. */
export interface Damage {
  readonly code: LsmErrorCode;
  readonly file: string;
  /** The byte offset; null when the file as a whole cannot be read. */
  readonly offset: number | null;
  /** A sentence that names file and offset. */
  readonly message: string;
}

/**
 * The damage that an error describes.
 * @throws the error itself when it is no LsmError: then the program is at fault
 */
export function damageOf(error: unknown, file: string): Damage {
  const failure = error instanceof LsmError ? error : undefined;
  if (failure === undefined && typeof (error as { code?: unknown }).code !== 'string') throw error;
  const { code, message, offset } = failure ?? ioFailure('read', file, error);
  return { code, file: failure?.file ?? file, offset: offset ?? null, message };
}

/** The files of an engine's directory by kind, with ascending numbers. */
export interface FolderContents {
  readonly directory: string;
  readonly hasCurrent: boolean;
  readonly hasRepairMark: boolean;
  readonly manifests: readonly number[];
  readonly logs: readonly number[];
  readonly tables: readonly number[];
  /** Names of files that are never read and are removed at the next start. */
  readonly temporary: readonly string[];
  /** Names that no engine gives. */
  readonly foreign: readonly string[];
}

/** @throws LsmError IO_ERROR */
export function listFolder(fs: FileSystem, directory: string): FolderContents {
  refuse(folderFault(fs, directory));
  let names: string[];
  try {
    names = fs.listSync(directory).sort();
  } catch (error) {
    throw ioFailure('list', directory, error);
  }
  const numbers: Record<'manifest' | 'log' | 'table', number[]> = { manifest: [], log: [], table: [] };
  const temporary: string[] = [];
  const foreign: string[] = [];
  let hasCurrent = false;
  let hasRepairMark = false;
  for (const name of names) {
    const file = parseFileName(name);
    if (file === undefined) {
      // SQLite may leave a journal beside the lock.
      if (!name.startsWith(LOCK_FILE_NAME)) foreign.push(name);
    } else if (file.kind === 'temporary') temporary.push(name);
    else if (file.kind === 'current') hasCurrent = true;
    else if (file.kind === 'repairMark') hasRepairMark = true;
    else if (file.kind !== 'lock' && file.kind !== 'lostFolder') numbers[file.kind].push(file.number);
  }
  for (const list of Object.values(numbers)) list.sort((a, b) => a - b);
  return {
    directory,
    hasCurrent,
    hasRepairMark,
    manifests: numbers.manifest,
    logs: numbers.log,
    tables: numbers.table,
    temporary,
    foreign,
  };
}

/** Whether an engine has ever used the directory. */
export function isEngineFolder({
  hasCurrent,
  hasRepairMark,
  manifests,
  logs,
  tables,
}: FolderContents): boolean {
  return hasCurrent || hasRepairMark || manifests.length + logs.length + tables.length > 0;
}

/**
 * Keeps an engine out while the directory is read. A directory without a lock file was not opened since it was copied
 * here, and none is made, so that nothing is changed.
 * @throws LsmError LOCKED, IO_ERROR
 */
export function lockForReading(fs: FileSystem, directory: string): Disposable {
  refuse(folderFault(fs, directory));
  const path = join(directory, LOCK_FILE_NAME);
  return fs.existsSync(path) ? fs.lockSync(path) : { [Symbol.dispose]: () => undefined };
}

export const pathOf = {
  current: (directory: string): string => join(directory, CURRENT_FILE_NAME),
  manifest: (directory: string, number: number): string => join(directory, manifestFileName(number)),
  log: (directory: string, generation: number): string => join(directory, logFileName(generation)),
  table: (directory: string, id: number): string => join(directory, tableFileName(id)),
} as const;

/** Opens a file for reading until it is disposed of. */
export function openFile(fs: FileSystem, path: string): Disposable & { readonly fd: number } {
  let fd: number;
  try {
    fd = fs.openReadSync(path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw ioFailure('open', path, error);
    throw new LsmError('CORRUPTION', `${path} is missing`, { file: path, offset: 0, cause: error });
  }
  return { fd, [Symbol.dispose]: () => fs.closeSync(fd) };
}
