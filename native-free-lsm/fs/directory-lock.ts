import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { LsmError } from '../errors.ts';
import type { DirectoryLock } from './file-system.ts';

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

/**
 * Takes the one lock of a directory: an exclusive transaction, never committed, on an SQLite database of zero
 * bytes at `path`. Node offers no `flock`; this is a lock the system itself frees when its holder is killed,
 * and one that a second opener in the same process meets as well.
 *
 * POSIX drops a process's locks on a file when that process closes *any* descriptor of it, so nothing else in
 * the process may open this file while the lock is held.
 *
 * On a file system that is mounted read-only it is a shared lock, which keeps nobody out but those who could write:
 * it is made exclusive once the file can be written.
 *
 * @throws LsmError LOCKED when it is held, IO_ERROR when the file cannot be made or is not a lock file
 */
export function lockDirectory(path: string): DirectoryLock {
  return new SqliteLock(path);
}

class SqliteLock implements DirectoryLock {
  readonly #path: string;
  #held: Disposable;
  /**
   * The inode that is locked. Without the device, as in SQLite: its number may change while a file is open, where a file
   * system has several or makes them up.
   */
  #inode: bigint;
  #isExclusive: boolean;

  constructor(path: string) {
    this.#path = path;
    this.#held = lock(path);
    this.#inode = inodeOf(path);
    this.#isExclusive = isWritable(path);
  }

  get isExclusive(): boolean {
    return this.#isExclusive;
  }

  makeExclusive(): void {
    if (this.#isExclusive) return;
    if (!isWritable(this.#path))
      throw new LsmError(
        'READ_ONLY',
        `the lock file ${this.#path} cannot be written: the file system is read-only; mount it for writing`,
        { file: this.#path },
      );
    this.#held[Symbol.dispose]();
    this.#held = lock(this.#path);
    this.#inode = inodeOf(this.#path);
    this.#isExclusive = true;
  }

  async isInPlace(): Promise<boolean> {
    try {
      return (await stat(this.#path, { bigint: true })).ino === this.#inode;
    } catch (error) {
      // Any other failure is one of the disk, and says nothing about the file.
      return (error as { code?: string }).code !== 'ENOENT';
    }
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
  }
}

function inodeOf(path: string): bigint {
  return statSync(path, { bigint: true }).ino;
}

/**
 * SQLite opens a file that cannot be written for reading, and then takes a shared lock whatever lock it is asked for.
 */
function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function lock(path: string): Disposable {
  // Loaded at the first lock: pool threads take no lock and should not pay for the module.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  let database: InstanceType<typeof DatabaseSync> | undefined;
  makePrivate(path);
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // A journal in a file would be made at once, and a full disk has no room for it.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    throw lockFailure(path, cause);
  }
  const held = database;
  return {
    [Symbol.dispose]() {
      if (held.isOpen) held.close();
    },
  };
}

/** SQLite would let others read it. An existing file is not opened: see above. */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // It exists, or cannot be made: then taking the lock says so.
  }
}

/** The error with which every file system refuses a directory that is already open. */
export function lockedError(path: string, cause?: unknown): LsmError {
  return new LsmError(
    'LOCKED',
    `${path} is locked: this directory is open in another process or engine; ` +
      'stop that one first, or use another directory',
    { file: path, cause },
  );
}

function lockFailure(path: string, cause: unknown): LsmError {
  const { errcode, message } = cause as Error & { readonly errcode?: number };
  if (errcode === SQLITE_BUSY || errcode === SQLITE_LOCKED) return lockedError(path, cause);
  // Deno does not tell the number.
  if (errcode === undefined && message === 'database is locked') return lockedError(path, cause);
  return new LsmError('IO_ERROR', `the lock file ${path} cannot be taken: ${message}`, {
    file: path,
    cause,
  });
}
