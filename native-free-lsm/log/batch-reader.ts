import { corruption, LsmError } from '../errors.ts';
import { FRAME_ALIGNMENT_BYTES } from '../format/frame.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  batchBodyBytes,
  batchKind,
  batchSyncedBytes,
  decodeFileHeader,
  FILE_HEADER_BYTES,
  type FileMagic,
  isBatchHeader,
  isBatchIntact,
  LOG_FORMAT,
} from './log-format.ts';
import type { LogWindow } from './log-window.ts';

/**
 * Walks the batches of one file, and tells at their end what the rest of the file is. Where the batches end
 * before the file does, the rest is a torn tail if no later batch tells that it had been synced, and damage if
 * one does: a batch carries the offset up to which the file was synced when it was written. A later batch
 * alone proves nothing: without a sync between them, a power loss may keep the second of two and lose the
 * first.
 */
export class BatchReader {
  /** The current body, in `window.bytes`; valid until the next move. */
  bodyStart = 0;
  bodyEnd = 0;
  /** Where the current batch starts in the file; behind the last, where it ended. */
  offset = FILE_HEADER_BYTES;
  /** What the batches so far say of how far the file was synced when they were written. */
  syncedBytes = FILE_HEADER_BYTES;
  /** Behind the last batch: the writer had finished the file. */
  clean = false;
  /** Behind the last batch: and it had begun the next one. */
  continued = false;
  readonly window: LogWindow;
  readonly #path: string;
  readonly #number: number;
  #next = FILE_HEADER_BYTES;

  constructor(window: LogWindow, path: string, number: number) {
    this.window = window;
    this.#path = path;
    this.#number = number;
  }

  /**
   * Whether the file has its header; without one it is a file whose creation a crash interrupted, as a
   * header is synced before any batch is written. Such a file may hold the header of one removed before, whose
   * place on the disk it got.
   * @param isBegun it is known that the file was begun: then a header that is missing is damage
   * @throws LsmError CORRUPTION when it has something else, UNSUPPORTED_FORMAT
   */
  readHeader(magic: FileMagic, isBegun = false): boolean {
    const hasHeader = this.#readHeader(magic);
    if (!hasHeader && isBegun)
      throw corruption(
        this.#path,
        0,
        'its header is gone, which was durable before anything was written behind it',
      );
    return hasHeader;
  }

  #readHeader(magic: FileMagic): boolean {
    const at = this.window.load(0, FILE_HEADER_BYTES);
    const header = at < 0 ? undefined : decodeFileHeader(magic, this.window.bytes, at);
    if (header === undefined) {
      if (this.window.sizeBytes <= FILE_HEADER_BYTES) return false;
      throw corruption(this.#path, 0, 'the file does not start with its header');
    }
    if (header.number !== this.#number && this.window.sizeBytes <= FILE_HEADER_BYTES) return false;
    if (header.format !== LOG_FORMAT) {
      throw new LsmError(
        'UNSUPPORTED_FORMAT',
        `${this.#path} has format ${header.format}; this version reads format ${LOG_FORMAT}`,
        { file: this.#path, offset: 4 },
      );
    }
    if (header.number !== this.#number) {
      throw corruption(this.#path, 8, `by its header it is number ${header.number}`);
    }
    return true;
  }

  /**
   * Moves to the next batch of data; false behind the last.
   * @throws LsmError CORRUPTION when something synced is missing, UNSUPPORTED_FORMAT for a kind of batch that is
   *   unknown here
   */
  next(): boolean {
    const offset = this.#next;
    this.offset = offset;
    const at = this.#load(offset);
    if (at < 0) {
      this.#checkTail(offset);
      return false;
    }
    const { bytes, sizeBytes } = this.window;
    const kind = batchKind(bytes, at);
    this.bodyStart = at + BATCH_HEADER_BYTES;
    this.bodyEnd = this.bodyStart + batchBodyBytes(bytes, at);
    this.#next = offset + this.bodyEnd - at;
    this.syncedBytes = Math.max(this.syncedBytes, batchSyncedBytes(bytes, at));
    if (kind === BatchKind.data) return true;
    if (kind !== BatchKind.cleanClose && kind !== BatchKind.continued) throw this.#unknownKind(kind, offset);
    if (this.#next !== sizeBytes) {
      throw corruption(this.#path, this.#next, 'bytes follow the mark of a clean close');
    }
    this.offset = this.#next;
    this.clean = true;
    this.continued = kind === BatchKind.continued;
    return false;
  }

  /** Where in the file a byte of the current body stands. */
  offsetOf(at: number): number {
    return this.offset + BATCH_HEADER_BYTES + at - this.bodyStart;
  }

  /** Where the intact batch at `offset` starts in the window, or -1 when there is none. */
  #load(offset: number): number {
    const head = this.window.load(offset, BATCH_HEADER_BYTES);
    if (head < 0 || !isBatchHeader(this.window.bytes, head, this.#number, offset)) return -1;
    const at = this.window.load(offset, BATCH_HEADER_BYTES + batchBodyBytes(this.window.bytes, head));
    return at >= 0 && isBatchIntact(this.window.bytes, at) ? at : -1;
  }

  /** Its checksum is right, so a later version wrote it. */
  #unknownKind(kind: number, offset: number): LsmError {
    if (kind === 0) return corruption(this.#path, offset, 'a batch of kind 0');
    return new LsmError(
      'UNSUPPORTED_FORMAT',
      `${this.#path} has, at byte ${offset}, a batch of kind ${kind}, which this version does not know`,
      { file: this.#path, offset },
    );
  }

  #checkTail(tail: number): void {
    let offset = tail + FRAME_ALIGNMENT_BYTES;
    while (offset + BATCH_HEADER_BYTES <= this.window.sizeBytes) {
      const at = this.#load(offset);
      if (at >= 0 && batchSyncedBytes(this.window.bytes, at) > tail) {
        throw corruption(
          this.#path,
          tail,
          `no whole batch, though the one at byte ${offset} says it was synced`,
        );
      }
      offset += at >= 0 ? BATCH_HEADER_BYTES + batchBodyBytes(this.window.bytes, at) : FRAME_ALIGNMENT_BYTES;
    }
  }
}
