import {
  chmodSync,
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readSync,
  rename,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  unlink,
  unlinkSync,
  write,
  writeSync,
  writevSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { lockDirectory } from './directory-lock.ts';
import type { DirectoryLock, FileStatus, FileSystem } from './file-system.ts';

/** Windows has no sync of a directory: names are durable there once the file system's own journal is. */
const CAN_SYNC_DIRECTORIES = process.platform !== 'win32';

/** Only the user who stores something may read it. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const openFile = promisify(open);
const renameFile = promisify(rename);
const syncFile = promisify(fsync);

/**
 * The real file system. Holds no state, so every thread makes its own; descriptors are the process's, but
 * Node closes those a worker thread opened when that thread exits.
 */
export class NodeFileSystem implements FileSystem {
  get userId(): number | null {
    return process.geteuid?.() ?? null;
  }

  openReadSync(path: string): number {
    return openSync(path, 'r');
  }

  createSync(path: string): number {
    return openSync(path, 'wx+', FILE_MODE);
  }

  openWriteSync(path: string): number {
    return openSync(path, 'r+');
  }

  readSync(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    return readSync(fd, target, targetOffset, length, position);
  }

  writeSync(fd: number, parts: readonly Uint8Array[], position: number): void {
    if (parts.length === 1) {
      writeAll(fd, parts[0], 0, position);
      return;
    }
    let written = writevSync(fd, parts, position);
    // A short write (a full disk, a signal) is continued part by part, so that the next call names the reason.
    let at = position;
    for (const part of parts) {
      if (written < part.length) writeAll(fd, part, written, at + written);
      written = Math.max(0, written - part.length);
      at += part.length;
    }
  }

  fdatasyncSync(fd: number): void {
    fdatasyncSync(fd);
  }

  truncateSync(fd: number, lengthBytes: number): void {
    ftruncateSync(fd, lengthBytes);
  }

  closeSync(fd: number): void {
    closeSync(fd);
  }

  sizeSync(path: string): number {
    return statSync(path).size;
  }

  freeBytesSync(path: string): number {
    const { bfree, blocks, bsize } = statfsSync(path);
    // Some file systems of networks and of user space say nothing of themselves.
    return blocks === 0 ? Number.POSITIVE_INFINITY : bfree * bsize;
  }

  statusSync(path: string): FileStatus {
    const stat = lstatSync(path);
    const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other';
    return { kind, mode: stat.mode & 0o7777, userId: stat.uid };
  }

  changeModeSync(path: string, mode: number): void {
    chmodSync(path, mode);
  }

  /** Unlike `fs.existsSync`, a path that may not be looked at is an error, and does not count as absent. */
  existsSync(path: string): boolean {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  }

  listSync(directory: string): string[] {
    return readdirSync(directory);
  }

  makeDirectorySync(path: string): void {
    const missing: string[] = [];
    for (let parent = resolve(path); !this.existsSync(parent); parent = dirname(parent)) missing.push(parent);
    if (missing.length === 0 && !statSync(path).isDirectory()) mkdirSync(path);
    // One by one: where a file system says of a parent that exists that it does not, as /proc does, Node's own
    // recursion never ends.
    for (const directory of missing.toReversed()) {
      makeOneDirectory(directory);
      this.syncDirectorySync(dirname(directory));
    }
  }

  renameSync(from: string, to: string): void {
    renameSync(from, to);
  }

  linkSync(from: string, to: string): void {
    linkSync(from, to);
  }

  removeSync(path: string): void {
    unlinkSync(path);
  }

  removeDirectorySync(path: string): void {
    rmdirSync(path);
  }

  syncDirectorySync(path: string): void {
    if (!CAN_SYNC_DIRECTORIES) return;
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  lockSync(path: string): DirectoryLock {
    return lockDirectory(path);
  }

  create(path: string): Promise<number> {
    return openFile(path, 'wx+', FILE_MODE);
  }

  write(fd: number, bytes: Uint8Array, position: number): Promise<void> {
    return new Promise((done, fail) => {
      let written = 0;
      const step = (error: Error | null, count: number): void => {
        written += count;
        if (error !== null) fail(error);
        else if (written >= bytes.length) done();
        else write(fd, bytes, written, bytes.length - written, position + written, step);
      };
      step(null, 0);
    });
  }

  fdatasync(fd: number): Promise<void> {
    return new Promise((done, fail) => {
      fdatasync(fd, (error) => (error === null || error === undefined ? done() : fail(error)));
    });
  }

  rename(from: string, to: string): Promise<void> {
    return renameFile(from, to);
  }

  async syncDirectory(path: string): Promise<void> {
    if (!CAN_SYNC_DIRECTORIES) return;
    const fd = await openFile(path, 'r');
    try {
      await syncFile(fd);
    } finally {
      closeSync(fd);
    }
  }

  remove(path: string): Promise<void> {
    return new Promise((done, fail) => {
      unlink(path, (error) => (error === null || error === undefined ? done() : fail(error)));
    });
  }
}

function writeAll(fd: number, bytes: Uint8Array, from: number, position: number): void {
  for (let at = from, count = 0; at < bytes.length; at += count) {
    count = writeSync(fd, bytes, at, bytes.length - at, position + at - from);
  }
}

/** Somebody else may be faster. */
function makeOneDirectory(path: string): void {
  try {
    mkdirSync(path, DIRECTORY_MODE);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}
