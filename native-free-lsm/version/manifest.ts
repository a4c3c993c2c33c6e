import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  encodeFileHeader,
  FileMagic,
} from '../log/log-format.ts';
import { prepareCurrent, prepareCurrentSoon, switchCurrent, switchCurrentSoon } from './current-file.ts';
import { encodeFrame, ManifestTag } from './edit-codec.ts';
import { manifestFileName, parseFileName } from './file-names.ts';
import { type ManifestState, type RecoveredManifest, recoverManifest, withEdit } from './manifest-reader.ts';
import type { VersionEdit } from './version.ts';

const NO_BYTES = new Uint8Array(0);
/** How many times the size of its snapshot a manifest may reach, so that a large snapshot is not written often. */
const SNAPSHOTS = 4;
/** The size of the manifest that an opening found: nothing is appended to it. */
const NOT_OPEN = -1;

/**
 * The log of version edits, `MANIFEST-<number>`, with CURRENT to say which one is in force; its batches are those of
 * the log of writes. Each opening starts a new one with a snapshot, so that nothing is ever appended to a torn tail. A
 * running engine starts a new one when the current one has grown large, so that none grows without bound.
 *
 * A call that fails never ends it. Nobody can know what a failed sync has left on the disk, so nothing is appended
 * after it: the next edit goes into a fresh manifest, and until that one is in force the refused edit may be the truth
 * after a restart, and its files must stay (`isInDoubt`).
 */
export class Manifest {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #maxBytes: number;
  #fd: number;
  #number: number;
  #sizeBytes: number;
  /** The state after all edits that were taken. */
  #state: ManifestState;
  /** From this size on, the next manifest is begun. */
  #switchAtBytes: number;
  /** The number of the last manifest that was begun, in force or not. */
  #lastNumber: number;
  /** Settles when everything asked for so far is done; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: LsmError | undefined;
  #inDoubt = false;
  /** Other manifests that may be in force after a restart. */
  #doubtful: string[] = [];
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

  /** The content of the manifest in force; undefined when the directory has none. Changes nothing. */
  static recover(fs: FileSystem, directory: string): RecoveredManifest | undefined {
    return recoverManifest(fs, directory);
  }

  /**
   * Starts a new manifest with a snapshot of `state`, puts it in force, and removes the others. Synchronous: only for
   * an opening.
   * @param maxBytes how large it may grow, unless its snapshot alone comes near that
   * @throws LsmError NO_SPACE, READ_ONLY or IO_ERROR: the old manifest is in force; with IO_ERROR it may be the new
   *   one, so the files of both must stay
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
      // Either may be in force, so the files of both must stay. Whatever the cause, nobody may go on from here.
      const message = `cannot put ${path} into force (${(cause as Error).message}): open the directory again`;
      throw new LsmError('IO_ERROR', message, { file: path, cause });
    }
    for (const { name } of others) quietly(() => fs.removeSync(join(directory, name)));
    return new Manifest(fs, directory, number, fd, content.length, state, maxBytes);
  }

  /**
   * Goes on from the manifest in force without a new one, because the disk takes none now: the first edit begins it.
   * @param state the state in memory; after a restart the truth is still what `recovered` says
   */
  static onHold(
    fs: FileSystem,
    directory: string,
    recovered: RecoveredManifest,
    state: ManifestState,
    maxBytes: number,
  ): Manifest {
    const number = Number(/\d+$/.exec(recovered.path)?.[0]);
    const manifest = new Manifest(fs, directory, number, NOT_OPEN, recovered.endOffset, state, maxBytes);
    manifest.#lastNumber = Math.max(number, ...manifestsIn(fs, directory).map((other) => other.number));
    return manifest;
  }

  get path(): string {
    return join(this.#directory, manifestFileName(this.#number));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Whether an edit that was refused may still be in force after a restart. Then the files that it names, and those
   * that it removes, must stay until a later edit has been taken.
   */
  get isInDoubt(): boolean {
    return this.#inDoubt;
  }

  /**
   * Adds an edit, which is durable when the promise is fulfilled. Edits are written in the order in which they are
   * given; when one fails, those that wait behind it fail with it, because they may build on it.
   * @throws LsmError CORRUPTION: the edit does not fit the state, and nothing was added. NO_SPACE or IO_ERROR: it was
   *   refused, though it may be on the disk (`isInDoubt`); a later edit may succeed
   */
  append(edit: VersionEdit): Promise<void> {
    if (this.#closed !== undefined) {
      return Promise.reject(new LsmError('CLOSED', `${this.path} is closed`, { file: this.path }));
    }
    const failuresSeen = this.#failures;
    const appended = this.#tail.then(async () => {
      if (failuresSeen !== this.#failures) throw this.#lastFailure;
      const state = withEdit(this.#state, edit);
      try {
        await this.#add(edit, state);
      } catch (cause) {
        this.#failures++;
        this.#lastFailure = ioFailure('add to the manifest', this.path, cause);
        throw this.#lastFailure;
      }
      this.#state = state;
    });
    this.#tail = appended.catch(() => {});
    return appended;
  }

  /** Waits for the current appends, marks the file as complete and closes it. */
  close(): Promise<void> {
    this.#closed ??= this.#tail.then(async () => {
      if (this.#fd === NOT_OPEN) return;
      try {
        if (!this.#inDoubt) await this.#append(NO_BYTES, BatchKind.cleanClose);
      } catch (cause) {
        throw ioFailure('mark the end of the manifest', this.path, cause);
      } finally {
        this.#fs.closeSync(this.#fd);
      }
    });
    return this.#closed;
  }

  /** Closes the file of a manifest to which nothing was added: it needs no mark, as it is all there and synced. */
  abandon(): void {
    this.#closed ??= Promise.resolve();
    this.#fs.closeSync(this.#fd);
  }

  async #add(edit: VersionEdit, state: ManifestState): Promise<void> {
    if (this.#inDoubt || this.#fd === NOT_OPEN) return this.#begin(state);
    if (this.#sizeBytes >= this.#switchAtBytes && (await this.#goOnFresh(state))) return;
    try {
      await this.#append(encodeFrame(edit, ManifestTag.edit), BatchKind.data);
    } catch (cause) {
      // What is unknown about this file no longer matters once another one is in force.
      if (!this.#inDoubt) throw cause;
      await this.#begin(state);
    }
  }

  /**
   * @returns false when no fresh manifest could be written. That costs nothing: this one goes on, and the next attempt
   *   is made when as much has been added again
   */
  async #goOnFresh(state: ManifestState): Promise<boolean> {
    try {
      await this.#begin(state);
    } catch (cause) {
      if (this.#inDoubt) throw cause;
      this.#switchAtBytes = this.#sizeBytes + Math.max(this.#maxBytes, this.#sizeBytes / SNAPSHOTS);
      return false;
    }
    return true;
  }

  async #append(body: Uint8Array, kind: BatchKind): Promise<void> {
    // Everything appended is synced, or nothing is appended to this manifest any more.
    const batch = encodeBatch(this.#number, this.#sizeBytes, this.#sizeBytes, body, kind);
    try {
      await this.#fs.write(this.#fd, batch, this.#sizeBytes);
    } catch (cause) {
      await this.#cutBack();
      throw cause;
    }
    await this.#sync();
    this.#sizeBytes += batch.length;
  }

  /**
   * Puts a fresh manifest with all of `state` into force. Each attempt has a number of its own, so that remains of an
   * earlier one do no harm.
   */
  async #begin(state: ManifestState): Promise<void> {
    const fs = this.#fs;
    const number = ++this.#lastNumber;
    const path = join(this.#directory, manifestFileName(number));
    const content = encodeFresh(number, state);
    let fd = -1;
    try {
      fd = await fs.create(path);
      await fs.write(fd, content, 0);
      await fs.fdatasync(fd);
      await prepareCurrentSoon(fs, this.#directory, number);
      // The manifest's own name must be durable before CURRENT can name it.
      await fs.syncDirectory(this.#directory);
    } catch (cause) {
      if (fd >= 0) fs.closeSync(fd);
      await fs.remove(path).catch(() => undefined);
      throw cause;
    }
    try {
      await switchCurrentSoon(fs, this.#directory);
    } catch (cause) {
      fs.closeSync(fd);
      this.#inDoubt = true;
      this.#doubtful.push(path);
      throw cause;
    }
    const obsolete = [this.path, ...this.#doubtful];
    if (this.#fd !== NOT_OPEN) fs.closeSync(this.#fd);
    this.#fd = fd;
    this.#number = number;
    this.#sizeBytes = content.length;
    this.#switchAtBytes = Math.max(this.#maxBytes, SNAPSHOTS * content.length);
    this.#inDoubt = false;
    this.#doubtful = [];
    // The next opening removes what stays.
    for (const other of obsolete) await fs.remove(other).catch(() => undefined);
  }

  /**
   * Removes, durably, what a failed write may have left: its edit was refused, and must not come back at the next
   * start, when the tables that it names are gone.
   */
  async #cutBack(): Promise<void> {
    try {
      this.#fs.truncateSync(this.#fd, this.#sizeBytes);
    } catch (cause) {
      this.#inDoubt = true;
      throw cause;
    }
    await this.#sync();
  }

  async #sync(): Promise<void> {
    try {
      await this.#fs.fdatasync(this.#fd);
    } catch (cause) {
      this.#inDoubt = true;
      throw cause;
    }
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

/** The content of a new manifest. */
function encodeFresh(number: number, { version, ...numbers }: ManifestState): Uint8Array {
  const { begunGeneration, nextFileId, oldestGeneration } = numbers;
  const edit = { ...version.toEdit(), oldestGeneration, nextFileId, begunGeneration };
  const snapshot = encodeFrame(edit, ManifestTag.snapshot);
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

/** For a step that follows a failure, or that changes nothing: its own failure is not reported. */
function quietly(attempt: () => unknown): void {
  try {
    attempt();
  } catch {}
}
