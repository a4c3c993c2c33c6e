/**
 * What an engine does to its folder, call by call, to be done again to another folder at the pace of a test: so a reader
 * can look between any two calls of its writer, and in the middle of a write.
 */
import type { DirectoryLock, FileStatus, FileSystem } from '../../native-free-lsm/fs/file-system.ts';
import { fileSystemError, MemoryFileSystem } from '../../native-free-lsm/simulation/index.ts';
import { SettledCallsFileSystem } from '../../native-free-lsm/simulation/settled-calls.ts';

/** The descriptor of the writer, and that of the same file in the folder where it is done again. */
type Descriptors = Map<number, number>;
type Step = (fs: MemoryFileSystem, descriptors: Descriptors) => void;

type FailsToSync = (path: string, lastWriteBytes: number) => boolean;

export class FileJournal {
  readonly disk = new MemoryFileSystem();
  readonly steps: Step[] = [];

  /**
   * The disk as one process has it, until it is killed.
   * @param failsToSync asked before each sync of a file, with the size of the last write to it
   */
  process(failsToSync: FailsToSync = () => false): JournaledFileSystem {
    return new JournaledFileSystem(this.disk, this.steps, failsToSync);
  }

  /** Does the same again from the beginning. */
  replay(): JournalReplay {
    return new JournalReplay(this.steps);
  }
}

export class JournalReplay {
  readonly disk = new MemoryFileSystem();
  position = 0;
  readonly #steps: readonly Step[];
  readonly #descriptors: Descriptors = new Map();

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  get isDone(): boolean {
    return this.position === this.#steps.length;
  }

  advance(steps: number): void {
    const end = Math.min(this.position + steps, this.#steps.length);
    for (; this.position < end; this.position++) this.#steps[this.position](this.disk, this.#descriptors);
  }
}

/** A disk as somebody has it who only reads: it has no other calls, and calls back before each. */
export class DiskReads {
  readonly fs: FileSystem;
  /** How many files are open. */
  openFiles = 0;

  constructor(disk: MemoryFileSystem, beforeCall: () => void) {
    this.fs = new Proxy(disk, {
      get: (target, name) => {
        const found = Reflect.get(target, name, target) as unknown;
        if (typeof found !== 'function') return found;
        if (!READS.has(String(name))) throw new Error(`a reader calls ${String(name)}`);
        return (...args: unknown[]) => {
          if (name !== 'closeSync') beforeCall();
          const result = Reflect.apply(found, target, args) as unknown;
          if (name === 'openReadSync') this.openFiles++;
          if (name === 'closeSync') this.openFiles--;
          return result;
        };
      },
    });
  }
}

const READS: ReadonlySet<string> = new Set([
  'openReadSync',
  'readSync',
  'closeSync',
  'sizeSync',
  'statusSync',
  'existsSync',
  'listSync',
]);

export class JournaledFileSystem extends SettledCallsFileSystem implements FileSystem {
  readonly userId = 1000;
  readonly #disk: MemoryFileSystem;
  readonly #steps: Step[];
  readonly #failsToSync: FailsToSync;
  /** By descriptor. */
  readonly #written = new Map<number, { readonly path: string; lastWriteBytes: number }>();
  #isKilled = false;
  /** How many calls are left before the process is killed. */
  #callsLeft = Number.POSITIVE_INFINITY;

  constructor(disk: MemoryFileSystem, steps: Step[], failsToSync: FailsToSync) {
    super();
    this.#disk = disk;
    this.#steps = steps;
    this.#failsToSync = failsToSync;
  }

  /** Nothing that this process calls from now on does anything. */
  kill(): void {
    this.#isKilled = true;
  }

  /** As `kill`, before the call after so many. */
  killAfter(calls: number): void {
    this.#callsLeft = calls;
  }

  openReadSync(path: string): number {
    return this.#alive.openReadSync(path);
  }

  createSync(path: string): number {
    const fd = this.#alive.createSync(path);
    this.#written.set(fd, { path, lastWriteBytes: 0 });
    this.#steps.push((fs, descriptors) => descriptors.set(fd, fs.createSync(path)));
    return fd;
  }

  openWriteSync(path: string): number {
    const fd = this.#alive.openWriteSync(path);
    this.#steps.push((fs, descriptors) => descriptors.set(fd, fs.openWriteSync(path)));
    return fd;
  }

  readSync(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    return this.#alive.readSync(fd, target, targetOffset, length, position);
  }

  writeSync(fd: number, parts: readonly Uint8Array[], position: number): void {
    const bytes = Buffer.concat(parts);
    const written = this.#written.get(fd);
    if (written !== undefined) written.lastWriteBytes = bytes.length;
    this.#alive.writeSync(fd, [bytes], position);
    const write = (end: number): Step => {
      return (fs, descriptors) =>
        fs.writeSync(descriptors.get(fd) as number, [bytes.subarray(0, end)], position);
    };
    // Others see a write half done.
    this.#steps.push(write(bytes.length >> 1), write(bytes.length));
  }

  fdatasyncSync(fd: number): void {
    const written = this.#written.get(fd);
    if (written !== undefined && this.#failsToSync(written.path, written.lastWriteBytes))
      throw fileSystemError('EIO', 'fdatasync', written.path);
    this.#alive.fdatasyncSync(fd);
  }

  truncateSync(fd: number, lengthBytes: number): void {
    this.#alive.truncateSync(fd, lengthBytes);
    this.#steps.push((fs, descriptors) => fs.truncateSync(descriptors.get(fd) as number, lengthBytes));
  }

  closeSync(fd: number): void {
    this.#alive.closeSync(fd);
  }

  sizeSync(path: string): number {
    return this.#alive.sizeSync(path);
  }

  freeBytesSync(path: string): number {
    return this.#alive.freeBytesSync(path);
  }

  statusSync(path: string): FileStatus {
    return this.#alive.statusSync(path);
  }

  changeModeSync(path: string, mode: number): void {
    this.#alive.changeModeSync(path, mode);
  }

  existsSync(path: string): boolean {
    return this.#alive.existsSync(path);
  }

  listSync(directory: string): string[] {
    return this.#alive.listSync(directory);
  }

  makeDirectorySync(path: string): void {
    this.#alive.makeDirectorySync(path);
    this.#steps.push((fs) => fs.makeDirectorySync(path));
  }

  renameSync(from: string, to: string): void {
    this.#alive.renameSync(from, to);
    this.#steps.push((fs) => fs.renameSync(from, to));
  }

  linkSync(from: string, to: string): void {
    this.#alive.linkSync(from, to);
    this.#steps.push((fs) => fs.linkSync(from, to));
  }

  removeSync(path: string): void {
    this.#alive.removeSync(path);
    this.#steps.push((fs) => fs.removeSync(path));
  }

  removeDirectorySync(path: string): void {
    this.#alive.removeDirectorySync(path);
    this.#steps.push((fs) => fs.removeDirectorySync(path));
  }

  syncDirectorySync(path: string): void {
    this.#alive.syncDirectorySync(path);
  }

  /** The test has one writer at a time. */
  lockSync(): DirectoryLock {
    return {
      isExclusive: true,
      makeExclusive: () => undefined,
      isInPlace: async () => true,
      [Symbol.dispose]: () => undefined,
    };
  }

  get #alive(): MemoryFileSystem {
    if (this.#callsLeft-- <= 0) this.#isKilled = true;
    if (this.#isKilled) throw new Error('the process was killed');
    return this.#disk;
  }
}
