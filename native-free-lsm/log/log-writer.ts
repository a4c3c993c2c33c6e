import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import { FRAME_ALIGNMENT_BYTES } from '../format/frame.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure, syncFailure } from '../fs/io-failure.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  encodeBatchHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  FileMagic,
  logFileName,
} from './log-format.ts';

const NO_BODY = new Uint8Array(0);
/** So many batches in a row are synced, each before the next, before room is made ahead of them. */
const SYNCED_IN_A_ROW = 8;
/** As much room is made as the log has by then, within these bounds. */
const LEAST_ROOM_BYTES = 4 * 1024;
const MOST_ROOM_BYTES = 256 * 1024;
/** Room for fewer batches than this saves nothing. */
const BATCHES_IN_ROOM = 8;

/**
 * The only writer of one log. A batch that could not be written leaves nothing behind: the file is cut back to the last
 * whole batch before anything else is appended, so that garbage is never between batches. After a failed sync it takes
 * nothing more, because nobody can know what the disk holds.
 *
 * Where batches are synced one by one it writes zeros ahead of them. A sync of an append has the file system write down
 * the new length and place of the file, too, which takes it as long again as the bytes; one of bytes in place of others
 * does not. (PostgreSQL fills its segments with zeros for the same reason.) The zeros are cut off before the log is
 * marked as complete; where a crash has left them an opening does.
 */
export class LogWriter {
  readonly path: string;
  readonly generation: number;
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #header = new Uint8Array(BATCH_HEADER_BYTES);
  readonly #parts: Uint8Array[] = [this.#header, NO_BODY];
  #lengthBytes = FILE_HEADER_BYTES;
  #syncedBytes = FILE_HEADER_BYTES;
  /** How many batches in a row found the one before them synced. */
  #syncedInARow = 0;
  /** Where the zeros end that may lie behind the last batch; below the end of that one there are none. */
  #roomEnd = 0;
  /** Whether room is made: not any more in a log where that has failed. */
  #makesRoom = true;
  /** Whether bytes may lie behind the last whole batch that must not be there. */
  #ragged = false;
  /** Whether such bytes were cut off, but a power loss may bring them back. */
  #isCutUnsynced = false;
  /** What the syncs under way cover, and whether nothing was cut off since, which they may not cover. */
  #begunBytes = 0;
  #besideBytes = 0;
  #isCutCovered = false;
  /** Whether a mark may follow the last batch although writing or syncing it failed. */
  #mayBeMarked = false;
  #poison: LsmError | undefined;
  #open = true;

  private constructor(fs: FileSystem, path: string, generation: number, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
    this.path = path;
    this.generation = generation;
  }

  /** Creates an empty log, durable with its name on return. On failure nothing of it is left. */
  static create(fs: FileSystem, directory: string, generation: number): LogWriter {
    const path = join(directory, logFileName(generation));
    let fd = -1;
    try {
      fd = createAnew(fs, path);
      fs.writeSync(fd, [encodeFileHeader(FileMagic.log, generation)], 0);
      fs.fdatasyncSync(fd);
      fs.syncDirectorySync(directory);
      return new LogWriter(fs, path, generation, fd);
    } catch (cause) {
      if (fd >= 0) discard(fs, path, fd);
      throw ioFailure('create the log', path, cause);
    }
  }

  /** The end of the last whole batch. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Everything before this offset is known to be on the disk. */
  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /**
   * Writes `bytes[start, end)`, whole frames of a ring, as one batch with one system call.
   * @throws LsmError NO_SPACE or IO_ERROR, with nothing appended; POISONED after a failed sync
   */
  append(bytes: Uint8Array, start: number, end: number): void {
    if ((end - start) % FRAME_ALIGNMENT_BYTES !== 0) {
      throw new LsmError('INVALID_ARGUMENT', `a batch of ${end - start} bytes is not made of whole frames`);
    }
    if (end === start) return;
    if (this.#mayBeMarked) this.#endDurably();
    else this.cutBack();
    this.#makeRoom(BATCH_HEADER_BYTES + end - start);
    this.#write(bytes.subarray(start, end), BatchKind.data);
  }

  #makeRoom(batchBytes: number): void {
    const isSynced = this.#syncedBytes === this.#lengthBytes;
    this.#syncedInARow = isSynced ? this.#syncedInARow + 1 : 0;
    if (this.#syncedInARow <= SYNCED_IN_A_ROW || !this.#makesRoom) return;
    if (this.#lengthBytes + batchBytes <= this.#roomEnd) return;
    const roomBytes = Math.min(MOST_ROOM_BYTES, Math.max(LEAST_ROOM_BYTES, this.#lengthBytes));
    if (roomBytes < BATCHES_IN_ROOM * batchBytes) return;
    this.#roomEnd = this.#lengthBytes + roomBytes;
    try {
      this.#writeZeros(roomBytes);
    } catch {
      // Some of the zeros may be there, which does no harm. Whether the disk takes batches shows when one is written.
      this.#makesRoom = false;
    }
  }

  /**
   * Finds out whether the disk has room for so many bytes behind the last batch, and leaves nothing of them; to be called
   * when a batch has just been written. Stopped meanwhile, it leaves zeros, which an opening cuts off.
   * @throws LsmError NO_SPACE, IO_ERROR, POISONED
   */
  findRoom(roomBytes: number): void {
    // Asked first, so that what is left on a full disk is never taken, be it for a moment, from others who need it.
    if (this.#freeBytes() < roomBytes) throw noRoom(this.path, roomBytes);
    this.#ragged = true;
    try {
      // Written as well, since a quota shows only so.
      this.#writeZeros(roomBytes);
    } catch (cause) {
      this.cutBack();
      throw ioFailure(`find room for ${roomBytes} bytes in`, this.path, cause);
    }
    this.cutBack();
  }

  #freeBytes(): number {
    try {
      return this.#fs.freeBytesSync(this.path);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  #writeZeros(lengthBytes: number): void {
    zeros ??= new Uint8Array(MOST_ROOM_BYTES);
    for (let done = 0; done < lengthBytes; done += zeros.length) {
      const part = zeros.subarray(0, Math.min(zeros.length, lengthBytes - done));
      this.#fs.writeSync(this.#fd, [part], this.#lengthBytes + done);
    }
  }

  /** @throws LsmError POISONED, now and from every later call */
  sync(): void {
    this.#check();
    if (this.#syncedBytes === this.#lengthBytes) return;
    this.#syncFile();
    this.#syncedBytes = this.#lengthBytes;
    this.#isCutUnsynced = false;
  }

  #syncFile(): void {
    try {
      this.#fs.fdatasyncSync(this.#fd);
    } catch (cause) {
      this.#poison = syncFailure(this.path, cause);
      throw this.#poison;
    }
  }

  /**
   * Another thread begins to sync the file, which takes batches meanwhile; until `syncEnded` nothing closes it, and
   * nothing else syncs it but `syncBeside`, as the system tells an error of the disk only once.
   * @returns the descriptor to sync
   */
  beginSync(): number {
    this.#begunBytes = this.#lengthBytes;
    this.#besideBytes = 0;
    this.#isCutCovered = true;
    return this.#fd;
  }

  /**
   * Syncs while another thread may not have come to it. Either of the two may be told an error that is of both, so what is
   * on the disk counts as synced when the other has succeeded, too.
   * @throws LsmError POISONED, now and from every later call
   */
  syncBeside(): void {
    this.#check();
    if (this.#besideBytes === this.#lengthBytes) return;
    this.#syncFile();
    this.#besideBytes = this.#lengthBytes;
    this.#isCutCovered = true;
  }

  /**
   * Another thread has synced what was there when that began, or has failed to, as a sync beside it may have.
   * @throws LsmError POISONED, now and from every later call
   */
  syncEnded(failure: Error | undefined): void {
    if (failure !== undefined) this.#poison ??= syncFailure(this.path, failure);
    if (this.#poison !== undefined) throw this.#poison;
    this.#syncedBytes = Math.max(this.#begunBytes, this.#besideBytes);
    if (this.#isCutCovered) this.#isCutUnsynced = false;
  }

  /** Cuts off what a failed append may have left. If this is not called, the next append does it. */
  cutBack(): void {
    this.#check();
    if (this.#ragged) this.#cut();
  }

  #cut(): void {
    try {
      this.#fs.truncateSync(this.#fd, this.#lengthBytes);
    } catch (cause) {
      throw ioFailure('cut back the log', this.path, cause);
    }
    this.#ragged = false;
    this.#roomEnd = 0;
    this.#isCutUnsynced = true;
    this.#isCutCovered = false;
  }

  /**
   * Makes sure that nothing follows the last batch and that no power loss brings anything back there. It is called
   * before a mark, because bytes behind a mark would be damage, and before what replaces a mark. All batches are synced
   * by then.
   */
  #endDurably(): void {
    this.#check();
    // Room that cannot be cut off takes batches as before.
    if (this.#ragged || this.#roomEnd > this.#lengthBytes) this.#cut();
    if (this.#isCutUnsynced) {
      try {
        this.#fs.fdatasyncSync(this.#fd);
      } catch (cause) {
        throw ioFailure('cut back the log', this.path, cause);
      }
      this.#isCutUnsynced = false;
    }
    this.#mayBeMarked = false;
  }

  /**
   * Syncs, marks the log as complete, syncs the mark and closes the file.
   * @param mark `continued` once the next log is durable with its name
   * @throws LsmError NO_SPACE or IO_ERROR: everything appended is synced, only the mark is missing, and the log goes on
   *   as before; POISONED when what was appended could not be synced
   */
  finish(mark: typeof BatchKind.cleanClose | typeof BatchKind.continued): void {
    this.sync();
    this.#endDurably();
    const endOfBatches = this.#lengthBytes;
    this.#mayBeMarked = true;
    this.#write(NO_BODY, mark);
    try {
      this.#fs.fdatasyncSync(this.#fd);
    } catch (cause) {
      // Nothing depends on the mark: it is cut off, and the next attempt writes it again.
      this.#lengthBytes = endOfBatches;
      this.#ragged = true;
      throw ioFailure('mark the end of the log', this.path, cause);
    }
    this.#syncedBytes = this.#lengthBytes;
    this.close();
  }

  /** Closes and removes a log to which no batch was written. Never throws: a log that stays does no harm. */
  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    discard(this.#fs, this.path, this.#fd);
  }

  /** Closes the file without changing it. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#fs.closeSync(this.#fd);
  }

  #write(body: Uint8Array, kind: BatchKind): void {
    encodeBatchHeader(this.#header, body, this.generation, kind, this.#lengthBytes, this.#syncedBytes);
    this.#parts[1] = body;
    try {
      this.#fs.writeSync(this.#fd, this.#parts, this.#lengthBytes);
    } catch (cause) {
      this.#ragged = true;
      throw ioFailure('append to the log', this.path, cause);
    } finally {
      this.#parts[1] = NO_BODY;
    }
    this.#lengthBytes += BATCH_HEADER_BYTES + body.length;
  }

  #check(): void {
    if (this.#poison !== undefined) throw this.#poison;
    if (!this.#open) throw new LsmError('CLOSED', `the log ${this.path} is closed`, { file: this.path });
  }
}

/**
 * Creates the file of a log whose number no other log has. An existing file was left by a failed attempt that could not
 * remove it, and holds no batch.
 */
function createAnew(fs: FileSystem, path: string): number {
  try {
    return fs.createSync(path);
  } catch (cause) {
    const isThere = (cause as { code?: string }).code === 'EEXIST';
    if (!isThere || fs.sizeSync(path) > FILE_HEADER_BYTES) throw cause;
    fs.removeSync(path);
    return fs.createSync(path);
  }
}

function noRoom(path: string, roomBytes: number): LsmError {
  const message = `${path} has no room for ${roomBytes} bytes: the disk is full; make room on it`;
  return new LsmError('NO_SPACE', message, { file: path });
}

/** As long as the most room; made by the first log that needs it. */
let zeros: Uint8Array | undefined;

/** Tries to remove the file. If that fails too, the failure that led here is the one to report. */
function discard(fs: FileSystem, path: string, fd: number): void {
  try {
    fs.closeSync(fd);
    fs.removeSync(path);
  } catch {}
}
