import { dirname, join, resolve } from 'node:path';
import { fieldsFault, folderFault, refuse } from '../arguments.ts';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { NodeFileSystem } from '../fs/node-fs.ts';
import {
  CHECKPOINT_MARK_NAME,
  CURRENT_FILE_NAME,
  LOCK_FILE_NAME,
  LOST_FOLDER_NAME,
  parseFileName,
  REPAIR_MARK_NAME,
} from '../version/file-names.ts';
import { type FolderContents, folderContents } from '../version/folder-contents.ts';

/** How a folder is destroyed. */
export interface DestroyOptions {
  /** Left out: the system's. */
  readonly fs?: FileSystem;
}

/** The lock, and what SQLite may leave beside it. */
const LOCK_NAMES: ReadonlySet<string> = new Set(
  ['', '-journal', '-wal', '-shm'].map((end) => `${LOCK_FILE_NAME}${end}`),
);
/** What names the folder as an engine's: the last to go, so that a destroy that was cut short may be repeated. */
const NAMING: readonly string[] = [REPAIR_MARK_NAME, CHECKPOINT_MARK_NAME, CURRENT_FILE_NAME];
/** A directory that cannot be removed for one of these stays, empty or with what is not the engine's. */
const STAYS: ReadonlySet<unknown> = new Set([
  'ENOTEMPTY',
  'EEXIST',
  // It was named by a symbolic link.
  'ENOTDIR',
  // It is a mount point.
  'EBUSY',
  'EACCES',
  'EPERM',
  'EROFS',
]);

/** See `destroy` in index.ts. */
export async function destroyFolder(directory: string, given: DestroyOptions): Promise<void> {
  refuse(fieldsFault('options', given, ['fs']));
  const { fs = new NodeFileSystem() } = given;
  refuse(folderFault(fs, directory));
  try {
    if (!fs.existsSync(directory)) return;
    if (fs.statusSync(directory).kind === 'file')
      throw new LsmError('FOREIGN_DIRECTORY', `${directory} is a file, and no engine's folder`);
    refuseOthers(folderContents(fs, directory));
    if (fs.listSync(directory).length > 0) await removeLocked(fs, directory);
    if (removeIfEmpty(fs, directory)) await fs.syncDirectory(dirname(resolve(directory)));
  } catch (error) {
    throw ioFailure('destroy', directory, error);
  }
}

function refuseOthers({
  directory,
  foreign,
  hasCheckpointMark,
  hasCurrent,
  hasRepairMark,
}: FolderContents): void {
  if (hasCurrent || hasRepairMark || hasCheckpointMark || foreign.length === 0) return;
  throw new LsmError(
    'FOREIGN_DIRECTORY',
    `${directory} is not an engine's folder (it holds ${foreign[0]}, and no ${CURRENT_FILE_NAME}): nothing was removed`,
  );
}

async function removeLocked(fs: FileSystem, directory: string): Promise<void> {
  const lock = fs.lockSync(join(directory, LOCK_FILE_NAME));
  try {
    if (!lock.isExclusive) lock.makeExclusive();
    // Somebody may have been faster.
    refuseOthers(folderContents(fs, directory));
    await removeLost(fs, join(directory, LOST_FOLDER_NAME));
    const own = fs.listSync(directory).filter((name) => isOwnFile(fs, directory, name));
    const content = own.filter((name) => !NAMING.includes(name) && !LOCK_NAMES.has(name));
    await removeAll(fs, directory, content);
    // Nothing of it may come back by a power loss once nothing says any more whose it is.
    await fs.syncDirectory(directory);
    await removeAll(
      fs,
      directory,
      NAMING.filter((name) => own.includes(name)),
    );
    await fs.syncDirectory(directory);
    await removeLock(fs, directory, lock, own);
  } finally {
    lock[Symbol.dispose]();
  }
}

/** While it is still held, so that nobody opens what is left. Windows removes no file that is open. */
async function removeLock(
  fs: FileSystem,
  directory: string,
  lock: Disposable,
  own: readonly string[],
): Promise<void> {
  const names = [...LOCK_NAMES].filter((name) => name === LOCK_FILE_NAME || own.includes(name));
  try {
    await removeAll(fs, directory, names);
  } catch (error) {
    if (!['EBUSY', 'EPERM'].includes((error as { code?: string }).code ?? '')) throw error;
    lock[Symbol.dispose]();
    const left = fs.listSync(directory).filter((name) => LOCK_NAMES.has(name));
    await removeAll(fs, directory, left);
  }
}

/** Files that repairs have put aside. What a repair would not call so stays. */
async function removeLost(fs: FileSystem, lost: string): Promise<void> {
  if (kindOf(fs, lost) !== 'directory') return;
  const isKept = (name: string): boolean => isOwnFile(fs, lost, name, name.replace(/\.\d+$/, ''));
  const names = fs.listSync(lost).filter(isKept);
  await removeAll(fs, lost, names);
  removeIfEmpty(fs, lost);
}

/**
 * Whether it is a file with a name that engines give, or a link with one: then the link goes, and not what it leads to.
 * @param engineName its name as an engine gave it
 */
function isOwnFile(fs: FileSystem, directory: string, name: string, engineName = name): boolean {
  if (!LOCK_NAMES.has(name) && parseFileName(engineName) === undefined && parseFileName(name) === undefined)
    return false;
  return kindOf(fs, join(directory, name)) !== 'directory';
}

function kindOf(fs: FileSystem, path: string): string | undefined {
  try {
    return fs.statusSync(path).kind;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function removeAll(fs: FileSystem, directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) await fs.remove(join(directory, name));
}

/** @returns whether it is gone */
function removeIfEmpty(fs: FileSystem, directory: string): boolean {
  try {
    fs.removeDirectorySync(directory);
    return true;
  } catch (error) {
    if (STAYS.has((error as { code?: string }).code)) return false;
    throw error;
  }
}
