import { join } from 'node:path';
import { folderFault, refuse } from '../arguments.ts';
import { LsmError, type LsmErrorCode } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { logFileName } from '../log/log-format.ts';
import { tableFileName } from '../sstable/table-metadata.ts';
import { refuseHalfCheckpoint } from '../store/folder-checks.ts';
import { CURRENT_FILE_NAME, LOCK_FILE_NAME, manifestFileName } from '../version/file-names.ts';
import { type FolderContents, folderContents } from '../version/folder-contents.ts';

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

/** @throws LsmError IO_ERROR; CORRUPTION for half a checkpoint, of which nobody may make a whole folder */
export function listFolder(fs: FileSystem, directory: string): FolderContents {
  refuse(folderFault(fs, directory));
  const contents = folderContents(fs, directory);
  refuseHalfCheckpoint(contents);
  return contents;
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
 * Refuses a directory in which no engine was ever, as one is named by mistake: nothing of it could be repaired.
 * @throws LsmError NOT_FOUND, FOREIGN_DIRECTORY; IO_ERROR: it cannot be listed
 */
export function refuseOthers(fs: FileSystem, directory: string): void {
  const contents = folderContents(fs, directory);
  if (isEngineFolder(contents) || contents.hasCheckpointMark) return;
  if (!fs.existsSync(directory))
    throw new LsmError(
      'NOT_FOUND',
      `there is no directory ${directory}: name one that an engine has written`,
    );
  const [other] = contents.foreign;
  if (other === undefined)
    throw new LsmError(
      'NOT_FOUND',
      `${directory} holds no file of an engine: name one that an engine has written`,
    );
  throw new LsmError(
    'FOREIGN_DIRECTORY',
    `${directory} is not an engine's folder (it holds ${other}): name one that an engine has written`,
  );
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
