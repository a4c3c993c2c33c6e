import { LsmError } from '../errors.ts';

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
 * @throws LsmError LOCKED when it is held, IO_ERROR when the file cannot be made or is not a lock file
 */
export function lockDirectory(path: string): Disposable {
  // Loaded at the first lock: pool threads take none and should not pay for the module.
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite');
  let database: InstanceType<typeof DatabaseSync> | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
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

/** What a directory that is already open is refused with, by every file system alike. */
export function lockedError(path: string, cause?: unknown): LsmError {
  return new LsmError(
    'LOCKED',
    `${path} is locked: this directory is open in another process or engine; ` +
      'stop that one first, or use another directory',
    { file: path, cause },
  );
}

function lockFailure(path: string, cause: unknown): LsmError {
  const errcode = (cause as { errcode?: number }).errcode;
  if (errcode === SQLITE_BUSY || errcode === SQLITE_LOCKED) return lockedError(path, cause);
  return new LsmError('IO_ERROR', `the lock file ${path} cannot be taken: ${(cause as Error).message}`, {
    file: path,
    cause,
  });
}
