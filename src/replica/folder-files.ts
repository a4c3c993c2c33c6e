/**
 * How a node's identity and marks are kept in its data folder: files that are there completely or not at all, over the
 * file system that the engine uses too.
 */
import type { FileSystem } from '../../native-free-lsm/index.ts';
import { errorMessage, QuorateError } from '../errors.ts';

const CHUNK_BYTES = 16 * 1024;

/** Names in a folder, in no order; null when there is no such folder. */
export function listFolder(fs: FileSystem, path: string): string[] | null {
  return unlessMissing(() => fs.listSync(path));
}

/** Null when there is no such file. When the file is replaced meanwhile, this reads one of the two, completely. */
export function readFile(fs: FileSystem, path: string): Uint8Array | null {
  const fd = unlessMissing(() => fs.openReadSync(path));
  if (fd === null) return null;
  try {
    const chunks: Uint8Array[] = [];
    for (let lengthBytes = 0; ; ) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const count = fs.readSync(fd, chunk, 0, CHUNK_BYTES, lengthBytes);
      if (count === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, count));
      lengthBytes += count;
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Makes a file with these bytes. They are durable on return; its name is not. */
export function writeNewFile(fs: FileSystem, path: string, bytes: Uint8Array): void {
  const fd = fs.createSync(path);
  try {
    fs.writeSync(fd, [bytes], 0);
    fs.fdatasyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** The errors of file systems on which a file has only one name: those of USB sticks, and some shared ones. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/**
 * Makes a file that is there completely, though its name is not durable yet, or not at all. Where files have no second
 * name, a crash in the middle leaves an incomplete file, which is then reported as damaged.
 * @param temporary a path that nobody else uses
 * @returns false when there is a file at `path` already, which stays unchanged
 */
export function claimFile(fs: FileSystem, path: string, temporary: string, bytes: Uint8Array): boolean {
  try {
    writeNewFile(fs, temporary, bytes);
    fs.linkSync(temporary, path);
    return true;
  } catch (error) {
    const { code = '', syscall } = error as NodeJS.ErrnoException;
    if (syscall !== 'link') throw error;
    if (code === 'EEXIST') return false;
    if (!NO_LINKS.has(code)) throw error;
  } finally {
    discard(fs, temporary);
  }
  try {
    writeNewFile(fs, path, bytes);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Replaces a file so that after a crash at any point it is either the old or the new one, whole: the new bytes
 * are on disk before the name points to them, and the name is on disk before the call ends.
 */
export async function replaceFile(
  fs: FileSystem,
  folder: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = `${folder}/${name}`;
  const temporary = `${path}.tmp`;
  const fd = await createAnew(fs, temporary);
  try {
    await fs.write(fd, bytes, 0);
    await fs.fdatasync(fd);
  } finally {
    fs.closeSync(fd);
  }
  await fs.rename(temporary, path);
  await fs.syncDirectory(folder);
}

/** It exists only if an earlier attempt did not finish. */
async function createAnew(fs: FileSystem, path: string): Promise<number> {
  try {
    return await fs.create(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    await fs.remove(path);
    return fs.create(path);
  }
}

/** What cannot be removed stays: nobody reads it. */
function discard(fs: FileSystem, path: string): void {
  try {
    fs.removeSync(path);
  } catch {}
}

function unlessMissing<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? '';
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
  const advice = ADVICE[codeOf(error)] ?? 'look after its disk';
  return new QuorateError(
    'STORAGE',
    `The data folder ${folder} cannot be used (${errorMessage(error)}): ${advice}`,
    error,
  );
}
