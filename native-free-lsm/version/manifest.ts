import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure, syncFailure } from '../fs/io-failure.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  encodeFileHeader,
  FileMagic,
} from '../wal/log-format.ts';
import { prepareCurrent, prepareCurrentSoon, switchCurrent, switchCurrentSoon } from './current-file.ts';
import { encodeFrame, ManifestTag } from './edit-codec.ts';
import { manifestFileName, parseFileName } from './file-names.ts';
import { type ManifestState, type RecoveredManifest, recoverManifest, withEdit } from './manifest-reader.ts';
import type { VersionEdit } from './version.ts';

const NO_BYTES = new Uint8Array(0);
/** How many times its snapshot a manifest may grow to, so that of many tables no snapshot is written often. */
const SNAPSHOTS = 4;

/**
 * The log of version edits, `MANIFEST-<number>`, with CURRENT to say which one is in force; batches as in the
 * log of writes. Each opening starts a new one with a snapshot, so that a torn tail is never appended to; and so
 * does one that has grown large, so that none grows without end.
 */
export class Manifest {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #maxBytes: number;
  #fd: number;
  #number: number;
  #sizeBytes: number;
  /** What all edits appended so far come to. */
  #state: ManifestState;
  /** From this size on the next manifest is begun. */
  #switchAtBytes: number;
  /** Of the last manifest begun, in force or not. */
  #lastNumber: number;
  /** Settles when everything asked for so far is done; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: LsmError | undefined;
  #poison: LsmError | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    fs: FileSystem,
    directory: string,
    number: number,
    fd: number,
    sizeBytes: number,
    state: ManifestState,
    maxBytes: number,
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#number = number;
    this.#lastNumber = number;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
    this.#state = state;
    this.#maxBytes = maxBytes;
    this.#switchAtBytes = Math.max(maxBytes, SNAPSHOTS * sizeBytes);
  }

  /** What the manifest in force says; undefined when the directory has none. Changes nothing. */
  static recover(fs: FileSystem, directory: string): RecoveredManifest | undefined {
    return recoverManifest(fs, directory);
  }

  /**
   * Starts a new manifest with a snapshot of `state`, puts it in force, and removes the others. Synchronous:
   * for the time of opening.
   * @param maxBytes what it may grow to, unless its snapshot alone comes near that
   * @throws LsmError NO_SPACE or IO_ERROR with the manifest so far still in force; POISONED when it is
   *   unknown which one is
   */
  static create(
    fs: FileSystem,
    directory: string,
    state: ManifestState,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Manifest {
    const others = manifestsIn(fs, directory);
    const number = Math.max(0, ...others.map((other) => other.number)) + 1;
    const path = join(directory, manifestFileName(number));
    const content = encodeFresh(number, state);
    let fd = -1;
    try {
      fd = fs.createSync(path);
      fs.writeSync(fd, [content], 0);
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
    return new Manifest(fs, directory, number, fd, content.length, state, maxBytes);
  }

  get path(): string {
    return join(this.#directory, manifestFileName(this.#number));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Appends an edit; it is durable when the promise is fulfilled. Edits are written in the order they are
   * given; when one fails, those waiting behind it fail with it, as they may build on it.
   * @throws LsmError CORRUPTION: the edit does not fit what is there, and nothing was appended. NO_SPACE or IO_ERROR: nothing was appended, a later edit may succeed. POISONED: it is
   *   unknown whether the edit is on the disk; so does every later one
   */
  append(edit: VersionEdit): Promise<void> {
    if (this.#closed !== undefined) {
      return Promise.reject(new LsmError('CLOSED', `${this.path} is closed`, { file: this.path }));
    }
    const failuresSeen = this.#failures;
    const appended = this.#tail.then(async () => {
      if (failuresSeen !== this.#failures) throw this.#lastFailure;
      if (this.#sizeBytes >= this.#switchAtBytes) await this.#switch();
      const state = withEdit(this.#state, edit);
      await this.#append(encodeFrame(edit, ManifestTag.edit), BatchKind.data);
      this.#state = state;
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
   * Goes on in a new manifest. One that cannot be written costs nothing: this one stays in force, and it is tried
   * again once as much has been added to it.
   * @throws LsmError POISONED when it is unknown which one is in force
   */
  async #switch(): Promise<void> {
    if (this.#poison !== undefined) throw this.#poison;
    const fs = this.#fs;
    const number = ++this.#lastNumber;
    const path = join(this.#directory, manifestFileName(number));
    const content = encodeFresh(number, this.#state);
    let fd = -1;
    try {
      fd = await fs.create(path);
      await fs.write(fd, content, 0);
      await fs.fdatasync(fd);
      await prepareCurrentSoon(fs, this.#directory, number);
      // The manifest's own name must be durable before CURRENT can name it.
      await fs.syncDirectory(this.#directory);
    } catch {
      if (fd >= 0) fs.closeSync(fd);
      await fs.remove(path).catch(() => undefined);
      this.#switchAtBytes = this.#sizeBytes + Math.max(this.#maxBytes, content.length);
      return;
    }
    try {
      await switchCurrentSoon(fs, this.#directory);
    } catch (cause) {
      fs.closeSync(fd);
      throw this.#poisoned(cause);
    }
    const { path: oldPath } = this;
    fs.closeSync(this.#fd);
    this.#fd = fd;
    this.#number = number;
    this.#sizeBytes = content.length;
    this.#switchAtBytes = Math.max(this.#maxBytes, SNAPSHOTS * content.length);
    // If it stays, the next opening removes it.
    await fs.remove(oldPath).catch(() => undefined);
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

/** All of a new manifest. */
function encodeFresh(number: number, { version, oldestGeneration, nextFileId }: ManifestState): Uint8Array {
  const snapshot = encodeFrame({ ...version.toEdit(), oldestGeneration, nextFileId }, ManifestTag.snapshot);
  const head = encodeFileHeader(FileMagic.manifest, number);
  return Buffer.concat([head, encodeBatch(number, head.length, 0, snapshot, BatchKind.data)]);
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
