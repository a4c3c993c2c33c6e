import { corruption, LsmError, otherFormat } from '../errors.ts';
import { FRAME_ALIGNMENT_BYTES } from '../format/frame.ts';
import {
  BATCH_HEADER_BYTES,
  BatchKind,
  batchBodyBytes,
  batchKind,
  batchSyncedBytes,
  decodeFileHeader,
  FILE_HEADER_BYTES,
  FileMagic,
  isBatchHeader,
  isBatchIntact,
  LOG_FORMAT,
} from './log-format.ts';
import type { LogWindow } from './log-window.ts';

/**
 * Walks the batches of one file. `next` is for who goes on from the file, and so must know what its end is; `nextWhole`
 * for who takes what there is of it, whatever lies between.
 *
 * When the batches end before the file does, the rest is a torn tail, unless a later batch shows that it had been
 * synced: then it is damage. A batch carries the offset up to which the file was synced when it was written. A later
 * batch alone proves nothing: without a sync between them, a power loss may keep the second of two and lose the first.
 */
export class BatchReader {
  /** The current body, in `window.bytes`; valid until the next move. */
  bodyStart = 0;
  bodyEnd = 0;
  /** Where the current batch starts in the file; behind the last batch, where that ended. */
  offset = FILE_HEADER_BYTES;
  /** The BatchKind of the current batch, or another number when a later version wrote it. */
  kind = 0;
  /** How far the file was synced, according to the batches so far. */
  syncedBytes = FILE_HEADER_BYTES;
  /** Behind the last batch: whether the writer had finished the file. */
  clean = false;
  /** Behind the last batch: whether the writer had also begun the next file. */
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
   * Whether the file has its header. A header is synced before any batch is written, so a file without one is a file
   * whose creation a crash interrupted. Such a file may hold the header of a removed one whose place on the disk it
   * got.
   * @param isBegun whether it is known that the file was begun: then a missing header is damage
   * @throws LsmError CORRUPTION when it has another header, UNSUPPORTED_FORMAT
   */
  readHeader(magic: FileMagic, isBegun = false): boolean {
    const hasHeader = this.#readHeader(magic);
    if (!hasHeader && isBegun)
      throw corruption(
        this.#path,
        0,
        'its header is missing, though it was durable before anything was written behind it',
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
      const place = { file: this.#path, offset: 4 };
      const what = `${this.#path} is a ${magic === FileMagic.log ? 'log' : 'manifest'}`;
      throw otherFormat(what, header.format, LOG_FORMAT, place);
    }
    if (header.number !== this.#number) {
      throw corruption(this.#path, 8, `by its header it is number ${header.number}`);
    }
    return true;
  }

  /**
   * Moves to the next batch of data; returns false behind the last.
   * @throws LsmError CORRUPTION when something synced is missing, UNSUPPORTED_FORMAT for a kind of batch that is
   *   unknown here
   */
  next(): boolean {
    const offset = this.#next;
    if (!this.moveTo(offset)) {
      this.#checkTail(offset);
      this.offset = offset;
      return false;
    }
    this.syncedBytes = Math.max(this.syncedBytes, this.batchSyncedBytes);
    if (this.kind === BatchKind.data) return true;
    const fault = this.kindFault();
    if (fault !== undefined) throw fault;
    this.offset = this.#next;
    this.clean = true;
    this.continued = this.kind === BatchKind.continued;
    return false;
  }

  /**
   * Moves to the next batch whose checksum is right, of any kind, and skips what is no batch; returns false when there
   * is none.
   */
  nextWhole(): boolean {
    for (
      let offset = this.#next;
      offset + BATCH_HEADER_BYTES <= this.window.sizeBytes;
      offset += FRAME_ALIGNMENT_BYTES
    )
      if (this.moveTo(offset)) return true;
    return false;
  }

  /** Moves to the batch at `offset`; returns false when no batch with a right checksum starts there. */
  moveTo(offset: number): boolean {
    const at = this.#load(offset);
    if (at < 0) return false;
    const { bytes } = this.window;
    this.offset = offset;
    this.kind = batchKind(bytes, at);
    this.bodyStart = at + BATCH_HEADER_BYTES;
    this.bodyEnd = this.bodyStart + batchBodyBytes(bytes, at);
    this.#next = offset + this.lengthBytes;
    return true;
  }

  /** The length of the current batch, with its header. */
  get lengthBytes(): number {
    return this.bodyEnd - this.bodyStart + BATCH_HEADER_BYTES;
  }

  /** How far the file was synced when the current batch was written. */
  get batchSyncedBytes(): number {
    return batchSyncedBytes(this.window.bytes, this.bodyStart - BATCH_HEADER_BYTES);
  }

  /** Whether the current batch is the mark of a writer that had finished the file. */
  get isMark(): boolean {
    return this.kind === BatchKind.cleanClose || this.kind === BatchKind.continued;
  }

  /** What is wrong with a batch of this kind in this place; undefined when nothing is. */
  kindFault(): LsmError | undefined {
    if (this.isMark) {
      return this.#next === this.window.sizeBytes
        ? undefined
        : corruption(this.#path, this.#next, 'bytes follow the mark of a clean close');
    }
    return this.kind === BatchKind.data ? undefined : this.#unknownKind();
  }

  /**
   * Behind the last batch: how long the torn tail is. Zeros at the end of the file are not part of it: they are room
   * that the writer has made ahead of its batches, or what a file system shows where it had nothing yet.
   */
  tornBytes(): number {
    return this.clean ? 0 : this.window.contentEnd(this.offset) - this.offset;
  }

  /** The offset in the file of a byte of the current body. */
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

  /** The batch's checksum is right, so a later version wrote it. */
  #unknownKind(): LsmError {
    const { kind, offset } = this;
    if (kind === 0) return corruption(this.#path, offset, 'a batch of kind 0');
    return new LsmError(
      'UNSUPPORTED_FORMAT',
      `${this.#path} has, at byte ${offset}, a batch of kind ${kind}, which this version does not know`,
      { file: this.#path, offset },
    );
  }

  #checkTail(tail: number): void {
    this.#next = tail + FRAME_ALIGNMENT_BYTES;
    while (this.nextWhole()) {
      if (this.batchSyncedBytes <= tail) continue;
      throw corruption(
        this.#path,
        tail,
        `no whole batch, though the one at byte ${this.offset} says it was synced`,
      );
    }
  }
}
