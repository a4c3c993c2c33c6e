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
/** How many times its snapshot a manifest may grow to, so that of many tables no snapshot is written often. */
const SNAPSHOTS = 4;
/** Of the manifest that an opening found, which nothing is appended to. */
const NOT_OPEN = -1;

/**
 * The log of version edits, `MANIFEST-<number>`, with CURRENT to say which one is in force; batches as in the
 * log of writes. Each opening starts a new one with a snapshot, so that a torn tail is never appended to; and so
 * does one that has grown large, so that none grows without end.
 *
 * A call that fails never ends it. What a failed sync has left on the disk nobody can know, so nothing is appended
 * behind it: the next edit goes into a fresh manifest, and until that one is in force the refused edit may be the
 * truth after a restart, and its files must stay (`isInDoubt`).
 */
export class Manifest {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #maxBytes: number;
  #fd: number;
  #number: number;
  #sizeBytes: number;
  /** What all edits that were taken come to. */
  #state: ManifestState;
  /** From this size on the next manifest is begun. */
  #switchAtBytes: number;
  /** Of the last manifest begun, in force or not. */
  #lastNumber: number;
  /** Settles when everything asked for so far is done; never rejects. */
  #tail: Promise<void> = Promise.resolve();
  #failures = 0;
  #lastFailure: LsmError | undefined;
  #inDoubt = false;
  /** Manifests beside this one that may be in force after a restart. */
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

  /** What the manifest in force says; undefined when the directory has none. Changes nothing. */
  static recover(fs: FileSystem, directory: string): RecoveredManifest | undefined {
    return recoverManifest(fs, directory);
  }

  /**
   * Starts a new manifest with a snapshot of `state`, puts it in force, and removes the others. Synchronous:
   * for the time of opening.
   * @param maxBytes what it may grow to, unless its snapshot alone comes near that
   * @throws LsmError NO_SPACE, READ_ONLY or IO_ERROR: the manifest so far is in force; with IO_ERROR it may be this one
   *   as well, so that the files of both must stay
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
      // Either may be in force, and both must keep what they name: whatever the cause, nobody may go on from here.
      const message = `cannot put ${path} into force (${(cause as Error).message}): open the directory again`;
      throw new LsmError('IO_ERROR', message, { file: path, cause });
    }
    for (const { name } of others) quietly(() => fs.removeSync(join(directory, name)));
    return new Manifest(fs, directory, number, fd, content.length, state, maxBytes);
  }

  /**
   * Goes on from the manifest in force without a new one, which the disk does not take now: the first edit begins it.
   * @param state as it stands in memory; after a restart what `recovered` says is the truth still
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
   * Whether an edit that was refused may be in force after a restart all the same: the files it names, and those it
   * removes, must stay until a later edit has been taken.
   */
  get isInDoubt(): boolean {
    return this.#inDoubt;
  }

  /**
   * Adds an edit; it is durable when the promise is fulfilled. Edits are written in the order they are given; when
   * one fails, those waiting behind it fail with it, as they may build on it.
   * @throws LsmError CORRUPTION: the edit does not fit what is there, and nothing was added. NO_SPACE or IO_ERROR: it
   *   was refused, though it may be on the disk (`isInDoubt`); a later edit may succeed
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

  /** Waits for appends under way, marks the file as complete and closes it. */
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

  async #add(edit: VersionEdit, state: ManifestState): Promise<void> {
    if (this.#inDoubt || this.#fd === NOT_OPEN) return this.#begin(state);
    if (this.#sizeBytes >= this.#switchAtBytes && (await this.#goOnFresh(state))) return;
    try {
      await this.#append(encodeFrame(edit, ManifestTag.edit), BatchKind.data);
    } catch (cause) {
      // What is unknown of this file means nothing once another one is in force.
      if (!this.#inDoubt) throw cause;
      await this.#begin(state);
    }
  }

  /**
   * @returns false when no fresh manifest could be written, which costs nothing: this one goes on, and it is tried
   *   again once as much has been added to it
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
    // Whatever was appended is synced, or nothing is appended to this manifest any more.
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
   * Puts a fresh manifest with all of `state` into force. Each attempt has a number of its own: what an earlier one
   * has left is in no one's way.
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
    // What stays the next opening removes.
    for (const other of obsolete) await fs.remove(other).catch(() => undefined);
  }

  /**
   * Takes back, durably, what a failed write may have left: its edit was refused and must not come back with
   * the next start, when the tables it names are gone.
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

/** All of a new manifest. */
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

/** For what follows a failure or changes nothing: the failure to report is another one, or none. */
function quietly(attempt: () => unknown): void {
  try {
    attempt();
  } catch {}
}
