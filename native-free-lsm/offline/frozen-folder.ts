import { basename, dirname, join, resolve } from 'node:path';
import { folderFault, refuse } from '../arguments.ts';
import { LsmError } from '../errors.ts';
import { contentEnd } from '../format/bytes.ts';
import { type FileStatus, type FileSystem, readFullySync } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { FILE_HEADER_BYTES } from '../log/log-format.ts';
import { CURRENT_FILE_NAME, LOCK_FILE_NAME, parseFileName } from '../version/file-names.ts';

interface FrozenFile {
  readonly descriptor: number;
  readonly sizeBytes: number;
  /** Behind it there were zeros up to the end, room that a writer fills later. */
  readonly contentBytes: number;
}

/** Of a log, to find the end of what is in it. */
const CHUNK_BYTES = 16 * 1024;

/** How often a view is tried. Between two attempts a writer does what it is about: a flush, a compaction. */
const MAX_ATTEMPTS = 20;
const NO_FILE = 'ENOENT';

/**
 * One moment of a folder that an engine has open, for the tools that read folders: its files as they were then, held
 * open, each up to the size that it had. It takes no lock and changes nothing, and the engine does not notice it. What
 * the engine removes takes room on the disk until this is disposed of.
 *
 * The files are listed and opened one after another while the engine goes on. They are those of one moment when the
 * manifest and the list of logs that have their header were the same before and after: see *Reading beside a writer* in DESIGN.md.
 */
export class FrozenFolder implements FileSystem, Disposable {
  readonly userId: number | null;
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #files: ReadonlyMap<string, FrozenFile>;
  /** By the descriptors given out. */
  readonly #open = new Map<number, FrozenFile>();
  #nextDescriptor = 1;

  private constructor(fs: FileSystem, directory: string, files: ReadonlyMap<string, FrozenFile>) {
    this.userId = fs.userId;
    this.#fs = fs;
    this.#directory = resolve(directory);
    this.#files = files;
  }

  /** @throws LsmError CHANGING: try again; IO_ERROR, INVALID_ARGUMENT */
  static take(fs: FileSystem, directory: string): FrozenFolder {
    refuse(folderFault(fs, directory));
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const before = stateOf(fs, directory);
      const files = openAll(fs, directory);
      try {
        if (before !== undefined && before === stateOf(fs, directory))
          return new FrozenFolder(fs, directory, files);
      } catch (error) {
        closeAll(fs, files);
        throw error;
      }
      closeAll(fs, files);
    }
    const message = `${directory} is written too fast for a view of it to be taken: try again`;
    throw new LsmError('CHANGING', message, { file: directory });
  }

  [Symbol.dispose](): void {
    closeAll(this.#fs, this.#files);
  }

  openReadSync(path: string): number {
    const descriptor = this.#nextDescriptor++;
    this.#open.set(descriptor, this.#file(path));
    return descriptor;
  }

  readSync(fd: number, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    const file = this.#open.get(fd);
    if (file === undefined) throw systemError('EBADF', `descriptor ${fd}`);
    // What was written since is not of this moment.
    const most = Math.min(length, file.sizeBytes - position);
    if (most <= 0) return 0;
    const stored = Math.min(most, file.contentBytes - position);
    if (stored > 0) {
      const count = this.#fs.readSync(file.descriptor, target, targetOffset, stored, position);
      if (count > 0) return count;
    }
    // There were zeros, or the writer has cut off since what there was of an append that its disk refused, and nobody was
    // told that it is there. Zeros are no frame, so that it reads as an append that was never finished.
    target.fill(0, targetOffset, targetOffset + most);
    return most;
  }

  closeSync(fd: number): void {
    this.#open.delete(fd);
  }

  sizeSync(path: string): number {
    return this.#file(path).sizeBytes;
  }

  freeBytesSync(path: string): number {
    return this.#fs.freeBytesSync(path);
  }

  existsSync(path: string): boolean {
    return resolve(path) === this.#directory || this.#find(path) !== undefined;
  }

  listSync(directory: string): string[] {
    if (resolve(directory) !== this.#directory) throw systemError(NO_FILE, directory);
    return [...this.#files.keys()];
  }

  statusSync(path: string): FileStatus {
    return this.#fs.statusSync(path);
  }

  createSync(path: string): never {
    return refuseToWrite(path);
  }

  openWriteSync(path: string): never {
    return refuseToWrite(path);
  }

  writeSync(fd: number): never {
    return refuseToWrite(`descriptor ${fd}`);
  }

  fdatasyncSync(fd: number): never {
    return refuseToWrite(`descriptor ${fd}`);
  }

  truncateSync(fd: number): never {
    return refuseToWrite(`descriptor ${fd}`);
  }

  changeModeSync(path: string): never {
    return refuseToWrite(path);
  }

  makeDirectorySync(path: string): never {
    return refuseToWrite(path);
  }

  renameSync(from: string): never {
    return refuseToWrite(from);
  }

  linkSync(_from: string, to: string): never {
    return refuseToWrite(to);
  }

  removeSync(path: string): never {
    return refuseToWrite(path);
  }

  removeDirectorySync(path: string): never {
    return refuseToWrite(path);
  }

  syncDirectorySync(path: string): never {
    return refuseToWrite(path);
  }

  lockSync(path: string): never {
    return refuseToWrite(path);
  }

  async create(path: string): Promise<never> {
    return refuseToWrite(path);
  }

  async write(fd: number): Promise<never> {
    return refuseToWrite(`descriptor ${fd}`);
  }

  async fdatasync(fd: number): Promise<never> {
    return refuseToWrite(`descriptor ${fd}`);
  }

  async rename(from: string): Promise<never> {
    return refuseToWrite(from);
  }

  async remove(path: string): Promise<never> {
    return refuseToWrite(path);
  }

  async syncDirectory(path: string): Promise<never> {
    return refuseToWrite(path);
  }

  #find(path: string): FrozenFile | undefined {
    return dirname(resolve(path)) === this.#directory ? this.#files.get(basename(path)) : undefined;
  }

  #file(path: string): FrozenFile {
    const file = this.#find(path);
    if (file === undefined) throw systemError(NO_FILE, path);
    return file;
  }
}

/**
 * What is different when the manifest has an edit more, another manifest is in force, or another log was made or got its
 * header; undefined when it was changed while it was read.
 */
function stateOf(fs: FileSystem, directory: string): string | undefined {
  try {
    const parts: string[] = [];
    for (const name of fs.listSync(directory).sort()) {
      const kind = parseFileName(name)?.kind;
      const sizeBytes = kind === 'log' || kind === 'manifest' ? fs.sizeSync(join(directory, name)) : 0;
      if (kind === 'log') parts.push(`${name} ${Math.min(sizeBytes, FILE_HEADER_BYTES)}`);
      if (kind === 'manifest') parts.push(`${name} ${sizeBytes}`);
      if (kind === 'current') parts.push(contentOf(fs, join(directory, CURRENT_FILE_NAME)));
    }
    return parts.join('\n');
  } catch (error) {
    if ((error as { code?: string }).code === NO_FILE) return undefined;
    throw ioFailure('read', directory, error);
  }
}

function contentOf(fs: FileSystem, path: string): string {
  const fd = fs.openReadSync(path);
  try {
    const bytes = Buffer.alloc(Math.min(fs.sizeSync(path), 64));
    return readFullySync(fs, fd, bytes, 0, bytes.length, 0) ? bytes.toString('latin1') : '';
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * All files that are there, but the lock, which nobody may open beside its owner. The newest log comes first: when a log
 * has anything, the one before has its end.
 */
function openAll(fs: FileSystem, directory: string): Map<string, FrozenFile> {
  const files = new Map<string, FrozenFile>();
  try {
    for (const name of fs.listSync(directory).sort(newestFirst)) {
      if (name.startsWith(LOCK_FILE_NAME)) continue;
      const file = openOne(fs, join(directory, name));
      if (file !== undefined) files.set(name, file);
    }
    return files;
  } catch (error) {
    closeAll(fs, files);
    throw ioFailure('open the files of', directory, error);
  }
}

function newestFirst(a: string, b: string): number {
  return (parseFileName(b)?.number ?? 0) - (parseFileName(a)?.number ?? 0);
}

/** Undefined for a folder, and for what is not there any more. */
function openOne(fs: FileSystem, path: string): FrozenFile | undefined {
  let descriptor = -1;
  try {
    if (fs.statusSync(path).kind === 'directory') return undefined;
    descriptor = fs.openReadSync(path);
    for (;;) {
      const sizeBytes = fs.sizeSync(path);
      const isLog = parseFileName(basename(path))?.kind === 'log';
      const contentBytes = isLog ? fileContentEnd(fs, descriptor, sizeBytes) : sizeBytes;
      // A log from which room was cut off meanwhile has its end by now, behind that of the zeros that were found.
      if (fs.sizeSync(path) >= sizeBytes) return { descriptor, sizeBytes, contentBytes };
    }
  } catch (error) {
    if (descriptor >= 0) fs.closeSync(descriptor);
    if ((error as { code?: string }).code === NO_FILE) return undefined;
    throw error;
  }
}

/** Behind the last byte of a file that is not zero. */
function fileContentEnd(fs: FileSystem, fd: number, sizeBytes: number): number {
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes));
  for (let end = sizeBytes; end > 0; ) {
    const start = Math.max(0, end - chunk.length);
    // What was cut off meanwhile stays zero.
    chunk.fill(0);
    readFullySync(fs, fd, chunk, 0, end - start, start);
    const usedBytes = contentEnd(chunk, 0, end - start);
    if (usedBytes > 0) return start + usedBytes;
    end = start;
  }
  return 0;
}

function closeAll(fs: FileSystem, files: ReadonlyMap<string, FrozenFile>): void {
  for (const { descriptor } of files.values()) fs.closeSync(descriptor);
}

/** An error as the system gives it. */
function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function refuseToWrite(path: string): never {
  throw new LsmError(
    'NOT_WRITABLE',
    `${path} is only to be read: it is one moment of a folder that is in use`,
  );
}
