/** What a `MemoryFileSystem` tells a test about each call, and how the test may answer. */
export type FileSystemOperation =
  | 'openRead'
  | 'create'
  | 'openWrite'
  | 'read'
  | 'write'
  | 'fdatasync'
  | 'truncate'
  | 'size'
  | 'freeBytes'
  | 'status'
  | 'changeMode'
  | 'exists'
  | 'list'
  | 'makeDirectory'
  | 'rename'
  | 'link'
  | 'remove'
  | 'removeDirectory'
  | 'syncDirectory'
  | 'lock';

export interface FileSystemCall {
  /** Counts calls from 0 over the life of the file system. */
  readonly index: number;
  readonly operation: FileSystemOperation;
  /** The path that was given, or that of the descriptor; for a rename and a link the old one. */
  readonly path: string;
  /** The bytes to read or write; 0 for any other call. */
  readonly lengthBytes: number;
}

/**
 * A read that returns fewer bytes than were asked for, or a write of which this many bytes are written before it fails.
 */
export interface PartialCall {
  readonly doneBytes: number;
  /** Why a write failed; undefined for a short read. */
  readonly error?: Error;
}

/**
 * Called before every call but a close. It may throw, which fails the call (see `fileSystemError`; a `SimulatedCrash`
 * fails every later call as well); answer `skip`, which makes a call without a result do nothing and report success; or
 * have a read or write done in part.
 */
export type CallHook = (call: FileSystemCall) => 'skip' | PartialCall | undefined;

/** Thrown by a hook: the machine stopped here, and every later call on this file system throws it again. */
export class SimulatedCrash extends Error {
  readonly code = 'CRASHED';
  constructor() {
    super('CRASHED: the simulated machine has stopped');
  }
}

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EINVAL: 'invalid argument',
  EIO: 'i/o error',
  EMFILE: 'too many open files',
  EISDIR: 'illegal operation on a directory',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
  ENOTDIR: 'not a directory',
};

/** An error as `node:fs` gives it. */
export function fileSystemError(
  code: string,
  operation: string,
  path: string,
): Error & { code: string; syscall: string } {
  const text = ERROR_TEXTS[code] ?? 'failed';
  return Object.assign(new Error(`${code}: ${text}, ${operation} '${path}'`), { code, syscall: operation });
}
