import { join } from 'node:path';
import type { FileSystem } from '../fs/file-system.ts';
import { type PutVisitor, visitPuts } from '../log/batch-puts.ts';
import { BatchReader } from '../log/batch-reader.ts';
import { BATCH_HEADER_BYTES, FILE_HEADER_BYTES, FileMagic, logFileName } from '../log/log-format.ts';
import { LogWindow } from '../log/log-window.ts';

/** After so much of a log the caller may turn to something else. */
const PIECE_BYTES = 256 * 1024;

/** What a look at a log has found. */
export const LogLook = {
  /** All that was read before is there, and what has come since was read. */
  ahead: 0,
  /** Its end was marked, and the mark is gone: its writer goes on with it. */
  unmarked: 1,
  /** What was read before is not there: this is another log of the same name. */
  another: 2,
} as const;
export type LogLook = (typeof LogLook)[keyof typeof LogLook];

/**
 * A log that another process may be writing, read from where the last look ended up to its last whole batch. What
 * follows that one is still being written, or was interrupted: it is not there yet.
 */
export class FollowedLog {
  readonly path: string;
  readonly generation: number;
  readonly #fs: FileSystem;
  #sizeBytes = 0;
  /** Where the next batch will be; 0 while the file has no header. */
  #endOffset = 0;
  /** The last batch of data that was read: its header names its place, and has a checksum of all of it. */
  #last: { readonly offset: number; readonly header: Uint8Array } | undefined;
  readonly #head = new Uint8Array(BATCH_HEADER_BYTES);
  #isFinished = false;
  #isContinued = false;

  constructor(fs: FileSystem, directory: string, generation: number) {
    this.#fs = fs;
    this.generation = generation;
    this.path = join(directory, logFileName(generation));
  }

  /** That of the file at the last look. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Whether it says at its end that the next log was begun. */
  get isContinued(): boolean {
    return this.#isContinued;
  }

  /**
   * Hands the puts that have come since the last look to `visit`. After an error the next look begins with the batch in
   * which it was found, so `visit` may be given its first puts again. Yields now and then.
   * @param isBegun whether it is known that the log was begun, so that it must have its header
   * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT; what the file system throws
   */
  *read(visit: PutVisitor, isBegun: boolean): Generator<void, LogLook, void> {
    const sizeBytes = this.#fs.sizeSync(this.path);
    const isAsLong = sizeBytes === this.#sizeBytes;
    this.#sizeBytes = sizeBytes;
    if (sizeBytes === this.#endOffset) return LogLook.ahead;
    const fd = this.#fs.openReadSync(this.path);
    try {
      if (isAsLong && this.#hasRoomNext(fd)) return LogLook.ahead;
      const reader = new BatchReader(new LogWindow(this.#fs, fd, sizeBytes), this.path, this.generation);
      if (this.#last === undefined) {
        if (!reader.readHeader(FileMagic.log, isBegun)) return LogLook.ahead;
        this.#endOffset = Math.max(this.#endOffset, FILE_HEADER_BYTES);
      } else if (!isAt(reader, this.#last)) return LogLook.another;
      if (this.#isFinished) return LogLook.unmarked;
      yield* this.#readOn(reader, visit);
      return LogLook.ahead;
    } finally {
      this.#fs.closeSync(fd);
    }
  }

  /** Whether there is nothing yet where the next batch will be, in room that its writer has made. */
  #hasRoomNext(fd: number): boolean {
    const { length } = this.#head;
    return (
      this.#last !== undefined &&
      this.#fs.readSync(fd, this.#head, 0, length, this.#endOffset) === length &&
      this.#head.every((byte) => byte === 0)
    );
  }

  *#readOn(reader: BatchReader, visit: PutVisitor): Generator<void, void, void> {
    let pieceStart = this.#endOffset;
    while (reader.next()) {
      visitPuts(reader, this.path, visit);
      this.#last = { offset: reader.offset, header: headerOf(reader) };
      this.#endOffset = reader.offset + reader.lengthBytes;
      if (this.#endOffset - pieceStart < PIECE_BYTES) continue;
      pieceStart = this.#endOffset;
      yield;
    }
    if (!reader.clean) return;
    this.#isFinished = true;
    this.#isContinued = reader.continued;
    this.#endOffset = reader.offset;
  }
}

/** Moves to a batch that was read before; returns false when it is not there. */
function isAt(
  reader: BatchReader,
  { header, offset }: { readonly offset: number; readonly header: Uint8Array },
): boolean {
  return reader.moveTo(offset) && Buffer.compare(headerOf(reader), header) === 0;
}

/** A copy of the header of the reader's current batch. */
function headerOf({ bodyStart, window }: BatchReader): Uint8Array {
  return Uint8Array.prototype.slice.call(window.bytes, bodyStart - BATCH_HEADER_BYTES, bodyStart);
}
