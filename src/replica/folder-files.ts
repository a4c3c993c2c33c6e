/**
 * The few file operations a node's identity needs, asynchronous because they happen while the node serves; a
 * test stands in for them to lose what was not synced or to fail any call.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorMessage, QuorateError } from '../errors.ts';
import { makePrivate, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from './folder-privacy.ts';

export interface FolderFiles {
  /** Makes the folder and its parents where they are missing; their names are durable. */
  makeFolder(path: string): Promise<void>;
  /** Names in a folder, in no order; null when there is no such folder. */
  list(path: string): Promise<string[] | null>;
  /** null when there is no such file. */
  read(path: string): Promise<Uint8Array | null>;
  /**
   * Makes a file that is there whole, its name not yet durable, or not at all.
   * @returns false when there is one of that name already, which stays as it is
   */
  create(path: string, bytes: Uint8Array): Promise<boolean>;
  /** Makes or empties the file, writes it and syncs its data. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** No error when there is no such file. */
  remove(path: string): Promise<void>;
  /** For the user of this process alone: see folder-privacy.ts. */
  makePrivate(folder: string): Promise<string | null>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
}

export const nodeFolderFiles: FolderFiles = {
  async makeFolder(path) {
    const first = await mkdir(path, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    if (first === undefined) return;
    const above = dirname(first);
    for (let folder = dirname(path); folder !== above; folder = dirname(folder)) await syncFolder(folder);
    await syncFolder(above);
  },
  list: (path) => unlessMissing(readdir(path)),
  read: (path) => unlessMissing(readFile(path)),
  async write(path, bytes) {
    await using file = await open(path, 'w', PRIVATE_FILE_MODE);
    await file.writeFile(bytes);
    await file.datasync();
  },
  async create(path, bytes) {
    const temporary = `${path}.${randomUUID()}.tmp`;
    try {
      await nodeFolderFiles.write(temporary, bytes);
      // Unlike a rename, it fails when the name is taken.
      await link(temporary, path);
      return true;
    } catch (error) {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (syscall === 'link' && NO_LINKS.has(code ?? '')) return createInPlace(path, bytes);
      throw error;
    } finally {
      await rm(temporary, { force: true });
    }
  },
  makePrivate,
  rename,
  remove: (path) => rm(path, { force: true }),
  syncFolder,
};

/** What file systems say that know no second name of a file: those of sticks, some shared ones. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** As exclusive as a link; but a crash in the middle leaves a part of the file, which is then called damaged. */
async function createInPlace(path: string, bytes: Uint8Array): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx', PRIVATE_FILE_MODE);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  await using made = file;
  await made.writeFile(bytes);
  await made.datasync();
  return true;
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder to sync it, and makes names durable by itself.
  if (process.platform === 'win32') return;
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Replaces a file so that after a crash at any point it is either the old or the new one, whole: the new bytes
 * are on disk before the name points to them, and the name is on disk before the call ends.
 */
export async function replaceFile(
  files: FolderFiles,
  folder: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = `${folder}/${name}`;
  await files.write(`${path}.tmp`, bytes);
  await files.rename(`${path}.tmp`, path);
  await files.syncFolder(folder);
}

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'let this user write to it, or choose another folder',
  EPERM: 'let this user write to it, or choose another folder',
  EROFS: 'its file system is mounted read-only; mount it for writing, or choose another folder',
  ENOSPC: 'its disk is full; make room',
  EDQUOT: 'the disk quota is used up; make room',
  ENOTDIR: 'a part of its path is a file; choose another folder',
  EEXIST: 'there is a file of that name; choose another folder',
  EMFILE: 'too many files are open; raise the limit (ulimit -n)',
};

/** The sentence for a failed file operation on a data folder. */
export function folderFault(folder: string, error: unknown): QuorateError {
  if (error instanceof QuorateError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const advice = ADVICE[code] ?? 'look after its disk';
  return new QuorateError(
    'STORAGE',
    `The data folder ${folder} cannot be used (${errorMessage(error)}): ${advice}`,
    error,
  );
}
