import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure, syncFailure } from '../fs/io-failure.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  FileMagic,
} from '../wal/log-format.ts';
import { prepareCurrent, switchCurrent } from './current-file.ts';
import { encodeFrame, ManifestTag } from './edit-codec.ts';
import { manifestFileName, parseFileName } from './file-names.ts';
import { type ManifestState, type RecoveredManifest, recoverManifest } from './manifest-reader.ts';
import type { VersionEdit } from './version.ts';

const NO_BYTES = new Uint8Array(0);

/**
 * The log of version edits, `MANIFEST-<number>`, with CURRENT to say which one is in force; batches as in the
 * log of writes. Each opening starts a new one with a snapshot, so that none grows without end and a torn
 * tail is never appended to.
 */
export class Manifest {
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #number: number;
  #sizeBytes: number;
  /** Settles when everything asked for so far is done; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: LsmError | undefined;
  #poison: LsmError | undefined;
  #closed: Promise<void> | undefined;

  private constructor(fs: FileSystem, path: string, number: number, fd: number, sizeBytes: number) {
    this.#fs = fs;
    this.path = path;
    this.#number = number;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  /** What the manifest in force says; undefined when the directory has none. Changes nothing. */
  static recover(fs: FileSystem, directory: string): RecoveredManifest | undefined {
    return recoverManifest(fs, directory);
  }

  /**
   * Starts a new manifest with a snapshot of `state`, puts it in force, and removes the others. Synchronous:
   * for the time of opening.
   * @throws LsmError NO_SPACE or IO_ERROR with the manifest so far still in force; POISONED when it is
   *   unknown which one is
   */
  static create(fs: FileSystem, directory: string, state: ManifestState): Manifest {
    const others = manifestsIn(fs, directory);
    const number = Math.max(0, ...others.map((other) => other.number)) + 1;
    const path = join(directory, manifestFileName(number));
    const { version, oldestGeneration, nextFileId } = state;
    const snapshot = encodeFrame({ ...version.toEdit(), oldestGeneration, nextFileId }, ManifestTag.snapshot);
    const head = encodeFileHeader(FileMagic.manifest, number);
    const batch = encodeBatch(number, FILE_HEADER_BYTES, 0, snapshot, BatchKind.data);
    let fd = -1;
    try {
      fd = fs.createSync(path);
      fs.writeSync(fd, [head, batch], 0);
      fs.fdatasyncSync(fd);
      prepareCurrent(fs, directory, number);
      // The manifest's own name must be durable before CURRENT can name it.
      fs.syncDirectorySync(directory);
    } catch (cause) {
      quietly(() => fd >= 0 && fs.closeSync(fd));
      quietly(() => fd >= 0 && fs.removeSync(path));
      throw ioFailure('write the manifest', path, cause);
    }
    try {
      switchCurrent(fs, directory);
    } catch (cause) {
      quietly(() => fs.closeSync(fd));
      throw syncFailure(path, cause);
    }
    for (const { name } of others) quietly(() => fs.removeSync(join(directory, name)));
    return new Manifest(fs, path, number, fd, head.length + batch.length);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Appends an edit; it is durable when the promise is fulfilled. Edits are written in the order they are
   * given; when one fails, those waiting behind it fail with it, as they may build on it.
   * @throws LsmError NO_SPACE or IO_ERROR: nothing was appended, a later edit may succeed. POISONED: it is
   *   unknown whether the edit is on the disk; so does every later one
   */
  append(edit: VersionEdit): Promise<void> {
    if (this.#closed !== undefined) {
      return Promise.reject(new LsmError('CLOSED', `${this.path} is closed`, { file: this.path }));
    }
    const failuresSeen = this.#failures;
    const appended = this.#tail.then(() => {
      if (failuresSeen !== this.#failures) throw this.#lastFailure;
      return this.#append(encodeFrame(edit, ManifestTag.edit), BatchKind.data);
    });
    this.#tail = appended.catch(() => {});
    return appended;
  }

  /** Waits for appends under way, marks the file as complete and closes it. */
  close(): Promise<void> {
    this.#closed ??= this.#tail.then(async () => {
      try {
        if (this.#poison === undefined) await this.#append(NO_BYTES, BatchKind.cleanClose);
      } finally {
        this.#fs.closeSync(this.#fd);
      }
    });
    return this.#closed;
  }

  async #append(body: Uint8Array, kind: BatchKind): Promise<void> {
    if (this.#poison !== undefined) throw this.#poison;
    // Whatever was appended is synced, or this manifest is poisoned.
    const batch = encodeBatch(this.#number, this.#sizeBytes, this.#sizeBytes, body, kind);
    try {
      await this.#fs.write(this.#fd, batch, this.#sizeBytes);
    } catch (cause) {
      await this.#cutBack();
      throw this.#failed(ioFailure('append to the manifest', this.path, cause));
    }
    await this.#sync();
    this.#sizeBytes += batch.length;
  }

  /**
   * Takes back, durably, what a failed write may have left: its edit was refused and must not come back with
   * the next start, when the tables it names are gone.
   */
  async #cutBack(): Promise<void> {
    try {
      this.#fs.truncateSync(this.#fd, this.#sizeBytes);
    } catch (cause) {
      throw this.#poisoned(cause);
    }
    await this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#fs.fdatasync(this.#fd);
    } catch (cause) {
      throw this.#poisoned(cause);
    }
  }

  #poisoned(cause: unknown): LsmError {
    this.#poison = syncFailure(this.path, cause);
    return this.#failed(this.#poison);
  }

  #failed(failure: LsmError): LsmError {
    this.#failures++;
    this.#lastFailure = failure;
    return failure;
  }
}

function manifestsIn(fs: FileSystem, directory: string): { name: string; number: number }[] {
  try {
    return fs.listSync(directory).flatMap((name) => {
      const parsed = parseFileName(name);
      return parsed?.kind === 'manifest' ? [{ name, number: parsed.number }] : [];
    });
  } catch (cause) {
    throw ioFailure('list', directory, cause);
  }
}

function encodeBatch(
  number: number,
  offset: number,
  syncedBytes: number,
  body: Uint8Array,
  kind: BatchKind,
): Uint8Array {
  const batch = new Uint8Array(BATCH_HEADER_BYTES + body.length);
  batch.set(body, BATCH_HEADER_BYTES);
  encodeBatchHeader(batch, body, number, kind, offset, syncedBytes);
  return batch;
}

/** For what follows a failure or changes nothing: the failure to report is another one, or none. */
function quietly(attempt: () => unknown): void {
  try {
    attempt();
  } catch {}
}
