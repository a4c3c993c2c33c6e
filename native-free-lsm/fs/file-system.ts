/** Freed by disposing of it. */
export interface DirectoryLock extends Disposable {
  /** False on a read-only file system: others may then read the directory too, and nobody can write. */
  readonly isExclusive: boolean;
  /**
   * @throws LsmError READ_ONLY while it is still read-only; LOCKED when somebody else was faster: then this lock is
   *   lost
   */
  makeExclusive(): void;
  /**
   * Whether the file at the path of the lock is the one that is held, as far as anybody can say: somebody else can take
   * the lock of another one.
   */
  isInPlace(): Promise<boolean>;
}

/** What a path names. */
export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other';
  /** Permission bits, as POSIX has them. */
  readonly mode: number;
  /** Its owner. */
  readonly userId: number;
}

/**
 * The only way to the disk, for the engine and for whoever keeps files beside it: one fake then crashes both at the same
 * call. It is small enough that a test can stand in for it and lose unsynced bytes, tear writes, fill the disk or fail
 * any call (idea: LevelDB's `Env` and its fault-injection test).
 *
 * The synchronous half is for pool threads, and for the main thread while it opens and closes; the
 * asynchronous half is what the main thread uses while it serves. Buffers may be views of shared memory.
 * Every failure is an error with Node's `code` (`ENOENT`, `ENOSPC`, `EIO`, …), and that of a sync has a `syscall` with
 * `sync` in its name: after it, it is unknown what is on the disk.
 *
 * Durability, as POSIX has it: bytes are durable after a data sync of their file, a name (created, renamed,
 * removed) after a sync of its directory.
 */
export interface FileSystem {
  /** The user who owns what is made; null where files have no owner and no permission bits (Windows). */
  readonly userId: number | null;
  /** Opens an existing file for reading. */
  openReadSync(path: string): number;
  /** Creates a file for reading and writing, for this user alone; fails with `EEXIST` if there is one. */
  createSync(path: string): number;
  /** Opens an existing file for reading and writing. */
  openWriteSync(path: string): number;
  /** Reads up to `length` bytes and returns how many; 0 at the end of the file. */
  readSync(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): number;
  /** Writes all of `parts`, one after another, from `position` on, in as few calls as the system allows. */
  writeSync(fd: number, parts: readonly Uint8Array[], position: number): void;
  fdatasyncSync(fd: number): void;
  truncateSync(fd: number, lengthBytes: number): void;
  closeSync(fd: number): void;
  sizeSync(path: string): number;
  /**
   * How many bytes are free on the file system of a path: no more than these can be written there, and often less, as of
   * a quota it knows nothing. Infinite where that is not known.
   */
  freeBytesSync(path: string): number;
  /** For a symbolic link, the status of the link and not of its target. */
  statusSync(path: string): FileStatus;
  changeModeSync(path: string, mode: number): void;
  existsSync(path: string): boolean;
  /** Names in a directory, in no order. */
  listSync(directory: string): string[];
  /**
   * Makes a directory for this user alone, with missing parents; what was made is durable on return. An existing one is
   * no error.
   */
  makeDirectorySync(path: string): void;
  renameSync(from: string, to: string): void;
  /**
   * Gives a file a second name. Unlike a rename it fails with `EEXIST` when the name is taken, so that one of several
   * who want the name gets it. Some file systems have no second names, and fail with `EPERM`, `ENOTSUP` or `ENOSYS`.
   */
  linkSync(from: string, to: string): void;
  removeSync(path: string): void;
  /** Removes an empty directory; fails with `ENOTEMPTY` when it holds anything. */
  removeDirectorySync(path: string): void;
  syncDirectorySync(path: string): void;
  /**
   * Takes the one lock of a directory, kept in `path`; a kill frees it.
   * @throws LsmError LOCKED when another process or engine holds it
   */
  lockSync(path: string): DirectoryLock;

  create(path: string): Promise<number>;
  write(fd: number, bytes: Uint8Array, position: number): Promise<void>;
  fdatasync(fd: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

/** Whether what one thread has opened can be read by all. In Deno every thread has descriptors of its own. */
export const THREADS_SHARE_DESCRIPTORS = process.versions.deno === undefined;

/** Reads exactly `length` bytes, or returns false: the caller reports a short read. */
export function readFullySync(
  fs: FileSystem,
  fd: number,
  target: Uint8Array,
  targetOffset: number,
  length: number,
  position: number,
): boolean {
  let done = 0;
  while (done < length) {
    const count = fs.readSync(fd, target, targetOffset + done, length - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}
