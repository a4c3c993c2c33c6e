import { basename, dirname, resolve } from 'node:path';
import { lockedError } from '../fs/directory-lock.ts';
import type { DirectoryLock, FileStatus, FileSystem } from '../fs/file-system.ts';
import {
  type CallHook,
  type FileSystemOperation,
  fileSystemError,
  type PartialCall,
  SimulatedCrash,
} from './memory-calls.ts';
import { MemoryDirectory } from './memory-directory.ts';
import { MemoryFile, type Survival } from './memory-file.ts';
import { SettledCallsFileSystem } from './settled-calls.ts';

export interface MemoryFileSystemOptions {
  readonly onCall?: CallHook;
  /** The most bytes that all files together may have; a write beyond it takes what fits and fails with `ENOSPC`. */
  readonly capacityBytes?: number;
}

export interface PowerLossOptions {
  /** What happens to bytes that were written and not synced. */
  readonly bytes: Survival;
  /** What happens to names that changed in directories that were not synced since. */
  readonly names: Survival;
  /** Draws the choices of `torn`, in [0, 1): the same numbers leave the same disk. */
  readonly random?: () => number;
  readonly onCall?: CallHook;
  readonly capacityBytes?: number;
}

interface OpenFile {
  readonly path: string;
  readonly file: MemoryFile;
  readonly writable: boolean;
}

/**
 * A file system in the memory of one thread, deterministic, for tests and for an engine that keeps nothing:
 * it knows what a power loss would leave (`crash`), can run full, and lets a hook fail or skip any call.
 * Asynchronous calls are carried out at once and answered by a settled promise. Directories are durable once
 * made, and permission bits once changed; names in directories and bytes in files are not until synced.
 */
export class MemoryFileSystem extends SettledCallsFileSystem implements FileSystem {
  /** All its files belong to this user. */
  readonly userId = 1000;
  /** It may be changed at any time, for example to make room again. */
  capacityBytes: number;
  /** Mounted read-only: every call that would change something fails with `EROFS`. It may be changed at any time. */
  isReadOnly = false;
  #onCall: CallHook | undefined;
  readonly #directories = new Map<string, MemoryDirectory>([[resolve('/'), new MemoryDirectory()]]);
  readonly #open = new Map<number, OpenFile>();
  readonly #locks = new Set<string>();
  #nextDescriptor = 3;
  #usedBytes = 0;
  #callCount = 0;
  #crashed: unknown;
  /** Bytes of the file removed last: a power loss may leave them where another file has grown. */
  #residue: Uint8Array = new Uint8Array(0);

  constructor(options: MemoryFileSystemOptions = {}) {
    super();
    this.#onCall = options.onCall;
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  /** How many calls the hook was, or would have been, called for. */
  get callCount(): number {
    return this.#callCount;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get openDescriptors(): number {
    return this.#open.size;
  }

  set onCall(hook: CallHook | undefined) {
    this.#onCall = hook;
  }

  /**
   * A new file system as the machine finds it after the power has come back; no lock is held, and nothing is open. This
   * one stays unchanged, so that one moment can be crashed in many ways.
   */
  crash(options: PowerLossOptions): MemoryFileSystem {
    const random = options.random ?? noRandom;
    const next = new MemoryFileSystem(options);
    const survivor = memoized((file) => file.afterPowerLoss(options.bytes, random, this.#residue));
    for (const [path, directory] of this.#directories) {
      const names = new MemoryDirectory();
      names.mode = directory.mode;
      for (const [name, file] of directory.afterPowerLoss(options.names, random))
        names.change([[name, survivor(file)]]);
      names.sync();
      next.#adopt(path, names);
    }
    return next;
  }

  /**
   * A new file system as another process finds it after this one was killed: everything is there, but what was not
   * synced still is not, so a later power loss may take it. This one stays unchanged.
   */
  kill(options: MemoryFileSystemOptions = {}): MemoryFileSystem {
    const next = new MemoryFileSystem(options);
    const survivor = memoized((file) => file.afterKill());
    for (const [path, directory] of this.#directories) next.#adopt(path, directory.afterKill(survivor));
    next.#residue = this.#residue;
    return next;
  }

  /** A copy of a file's bytes, for tests; the hook is not called. */
  contents(path: string): Uint8Array {
    return this.#lookup(path, 'contents').bytes.slice();
  }

  /** Puts a durable file into place and makes directories as needed, for tests; the hook is not called. */
  place(path: string, bytes: Uint8Array): void {
    this.#makeDirectories(dirname(resolve(path)));
    const directory = this.#directory(path, 'place');
    this.#unlink(directory.names.get(basename(path)));
    const file = MemoryFile.ofDurable(new Uint8Array(bytes));
    file.references = 1;
    this.#usedBytes += bytes.length;
    directory.change([[basename(path), file]]);
    directory.sync();
  }

  openReadSync(path: string): number {
    this.#enter('openRead', path);
    return this.#openFile(path, this.#lookup(path, 'open'), false);
  }

  createSync(path: string): number {
    this.#enter('create', path);
    const directory = this.#directory(path, 'open');
    if (directory.names.has(basename(path)) || this.#directories.has(resolve(path))) {
      throw fileSystemError('EEXIST', 'open', path);
    }
    const file = new MemoryFile();
    file.references = 1;
    directory.change([[basename(path), file]]);
    return this.#openFile(path, file, true);
  }

  openWriteSync(path: string): number {
    this.#enter('openWrite', path);
    return this.#openFile(path, this.#lookup(path, 'open'), true);
  }

  readSync(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const open = this.#descriptor(fd, 'read');
    const answer = this.#enter('read', open.path, length);
    if (targetOffset + length > target.length) throw new RangeError('the read leaves its buffer');
    // At least one byte, because none would mean the end of the file.
    const most = isPartial(answer) ? Math.min(length, Math.max(answer.doneBytes, 1)) : length;
    return open.file.read(target, targetOffset, most, position);
  }

  writeSync(fd: number, parts: readonly Uint8Array[], position: number): void {
    const open = this.#writable(fd, 'write');
    const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    const answer = this.#enter('write', open.path, bytes.length);
    if (answer === 'skip') return;
    const { file } = open;
    const room = this.capacityBytes - this.#usedBytes + Math.max(0, file.lengthBytes - position);
    const most = isPartial(answer) ? Math.min(room, answer.doneBytes) : room;
    const fits = most < bytes.length ? bytes.subarray(0, Math.max(0, most)) : bytes;
    const lengthBefore = file.lengthBytes;
    if (fits.length > 0) file.write(fits, position);
    this.#usedBytes += file.lengthBytes - lengthBefore;
    if (isPartial(answer)) throw answer.error ?? fileSystemError('EIO', 'write', open.path);
    if (fits.length < bytes.length) throw fileSystemError('ENOSPC', 'write', open.path);
  }

  fdatasyncSync(fd: number): void {
    const { path, file } = this.#descriptor(fd, 'fdatasync');
    try {
      if (this.#enter('fdatasync', path) === 'skip') return;
    } catch (error) {
      if (this.#crashed === undefined) file.failSync();
      throw error;
    }
    file.sync();
  }

  truncateSync(fd: number, lengthBytes: number): void {
    const { path, file } = this.#writable(fd, 'ftruncate');
    if (this.#enter('truncate', path) === 'skip') return;
    this.#usedBytes += lengthBytes - file.lengthBytes;
    file.truncate(lengthBytes);
  }

  closeSync(fd: number): void {
    if (this.#crashed !== undefined) throw this.#crashed;
    const open = this.#descriptor(fd, 'close');
    this.#open.delete(fd);
    this.#unlink(open.file);
  }

  sizeSync(path: string): number {
    this.#enter('size', path);
    return this.#lookup(path, 'stat').lengthBytes;
  }

  freeBytesSync(path: string): number {
    this.#enter('freeBytes', path);
    if (!this.#directories.has(resolve(path))) this.#lookup(path, 'statfs');
    return Math.max(0, this.capacityBytes - this.#usedBytes);
  }

  statusSync(path: string): FileStatus {
    this.#enter('status', path);
    const directory = this.#directories.get(resolve(path));
    const { mode } = directory ?? this.#lookup(path, 'lstat');
    return { kind: directory === undefined ? 'file' : 'directory', mode, userId: this.userId };
  }

  changeModeSync(path: string, mode: number): void {
    if (this.#enter('changeMode', path) === 'skip') return;
    const changed = this.#directories.get(resolve(path)) ?? this.#lookup(path, 'chmod');
    changed.mode = mode;
  }

  existsSync(path: string): boolean {
    this.#enter('exists', path);
    if (this.#directories.has(resolve(path))) return true;
    return this.#directories.get(dirname(resolve(path)))?.names.has(basename(path)) ?? false;
  }

  listSync(directory: string): string[] {
    this.#enter('list', directory);
    const found = this.#directories.get(resolve(directory));
    if (found === undefined) throw fileSystemError('ENOENT', 'scandir', directory);
    const own = resolve(directory);
    const below = [...this.#directories.keys()].filter((path) => path !== own && dirname(path) === own);
    return [...found.names.keys(), ...below.map((path) => basename(path))];
  }

  makeDirectorySync(path: string): void {
    if (this.#enter('makeDirectory', path) === 'skip') return;
    this.#makeDirectories(resolve(path));
  }

  renameSync(from: string, to: string): void {
    if (this.#enter('rename', from) === 'skip') return;
    const file = this.#lookup(from, 'rename');
    const source = this.#directory(from, 'rename');
    const target = this.#directory(to, 'rename');
    if (resolve(from) === resolve(to)) return;
    const replaced = target.names.get(basename(to));
    if (source === target) {
      source.change([
        [basename(from), undefined],
        [basename(to), file],
      ]);
    } else {
      source.change([[basename(from), undefined]]);
      target.change([[basename(to), file]]);
    }
    this.#unlink(replaced);
  }

  linkSync(from: string, to: string): void {
    if (this.#enter('link', from) === 'skip') return;
    const file = this.#lookup(from, 'link');
    const target = this.#directory(to, 'link');
    if (target.names.has(basename(to)) || this.#directories.has(resolve(to)))
      throw fileSystemError('EEXIST', 'link', to);
    target.change([[basename(to), file]]);
    file.references++;
  }

  removeSync(path: string): void {
    if (this.#enter('remove', path) === 'skip') return;
    const file = this.#lookup(path, 'unlink');
    this.#directory(path, 'unlink').change([[basename(path), undefined]]);
    this.#unlink(file);
  }

  /** At once and for good, as directories are made. */
  removeDirectorySync(path: string): void {
    if (this.listSync(path).length > 0) throw fileSystemError('ENOTEMPTY', 'rmdir', path);
    if (this.#enter('removeDirectory', path) === 'skip') return;
    this.#directories.delete(resolve(path));
  }

  syncDirectorySync(path: string): void {
    if (this.#enter('syncDirectory', path) === 'skip') return;
    const directory = this.#directories.get(resolve(path));
    if (directory === undefined) throw fileSystemError('ENOENT', 'fsync', path);
    directory.sync();
  }

  lockSync(path: string): DirectoryLock {
    this.#enter('lock', path);
    const directory = this.#directory(path, 'lock');
    const key = resolve(path);
    if (this.#locks.has(key)) throw lockedError(path);
    if (this.isReadOnly && !directory.names.has(basename(path))) throw fileSystemError('EROFS', 'open', path);
    this.#locks.add(key);
    if (!directory.names.has(basename(path))) {
      const file = new MemoryFile();
      file.references = 1;
      directory.change([[basename(path), file]]);
    }
    const file = directory.names.get(basename(path));
    let held = true;
    let isExclusive = !this.isReadOnly;
    const makeExclusive = (): void => {
      this.#enter('lock', path);
      if (this.isReadOnly) throw fileSystemError('EROFS', 'open', path);
      isExclusive = true;
    };
    return {
      get isExclusive() {
        return isExclusive;
      },
      makeExclusive,
      isInPlace: async () => directory.names.get(basename(path)) === file,
      [Symbol.dispose]: () => {
        if (held) this.#locks.delete(key);
        held = false;
      },
    };
  }

  #enter(operation: FileSystemOperation, path: string, lengthBytes = 0): 'skip' | PartialCall | undefined {
    if (this.#crashed !== undefined) throw this.#crashed;
    const index = this.#callCount++;
    if (this.isReadOnly && CHANGES.has(operation)) throw fileSystemError('EROFS', operation, path);
    if (this.#onCall === undefined) return undefined;
    try {
      return this.#onCall({ index, operation, path, lengthBytes });
    } catch (error) {
      if (error instanceof SimulatedCrash) this.#crashed = error;
      throw error;
    }
  }

  #openFile(path: string, file: MemoryFile, writable: boolean): number {
    const fd = this.#nextDescriptor++;
    file.references++;
    this.#open.set(fd, { path, file, writable });
    return fd;
  }

  #descriptor(fd: number, operation: string): OpenFile {
    const open = this.#open.get(fd);
    if (open === undefined) throw fileSystemError('EBADF', operation, `descriptor ${fd}`);
    return open;
  }

  #writable(fd: number, operation: string): OpenFile {
    const open = this.#descriptor(fd, operation);
    if (!open.writable) throw fileSystemError('EBADF', operation, open.path);
    return open;
  }

  #directory(path: string, operation: string): MemoryDirectory {
    const directory = this.#directories.get(dirname(resolve(path)));
    if (directory === undefined) throw fileSystemError('ENOENT', operation, path);
    return directory;
  }

  #lookup(path: string, operation: string): MemoryFile {
    const file = this.#directory(path, operation).names.get(basename(path));
    if (file !== undefined) return file;
    throw fileSystemError(this.#directories.has(resolve(path)) ? 'EISDIR' : 'ENOENT', operation, path);
  }

  #makeDirectories(path: string): void {
    if (this.#directories.has(path)) return;
    this.#makeDirectories(dirname(path));
    if (this.#directory(path, 'mkdir').names.has(basename(path)))
      throw fileSystemError('EEXIST', 'mkdir', path);
    this.#directories.set(path, new MemoryDirectory());
  }

  /** Takes over a directory of another file system, with its files. */
  #adopt(path: string, directory: MemoryDirectory): void {
    for (const file of directory.names.values()) {
      if (file.references === 0) this.#usedBytes += file.lengthBytes;
      file.references++;
    }
    this.#directories.set(path, directory);
  }

  #unlink(file: MemoryFile | undefined): void {
    if (file === undefined) return;
    file.references--;
    if (file.references > 0) return;
    this.#usedBytes -= file.lengthBytes;
    // Nobody writes to it any more.
    this.#residue = file.bytes;
  }
}

/** The operations that a read-only file system refuses; it has no files that are open for writing. */
const CHANGES: ReadonlySet<FileSystemOperation> = new Set([
  'create',
  'openWrite',
  'write',
  'truncate',
  'changeMode',
  'makeDirectory',
  'rename',
  'link',
  'remove',
  'removeDirectory',
]);

function isPartial(answer: 'skip' | PartialCall | undefined): answer is PartialCall {
  return typeof answer === 'object';
}

function memoized(make: (file: MemoryFile) => MemoryFile): (file: MemoryFile) => MemoryFile {
  const made = new Map<MemoryFile, MemoryFile>();
  return (file) => {
    let copy = made.get(file);
    if (copy === undefined) {
      copy = make(file);
      made.set(file, copy);
    }
    return copy;
  };
}

function noRandom(): number {
  throw new Error('a power loss that tears draws numbers: give it `random`');
}
