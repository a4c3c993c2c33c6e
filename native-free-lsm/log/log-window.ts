import { contentEnd } from '../format/bytes.ts';
import { type FileSystem, readFullySync } from '../fs/file-system.ts';

const CHUNK_BYTES = 2 * 1024 * 1024;

/**
 * A window that slides forward over a file and reads it in large chunks, so that a log is never in memory as a whole
 * and a batch is never in two pieces.
 */
export class LogWindow {
  /** The window's current memory; `load` may replace it. */
  bytes: Uint8Array;
  readonly sizeBytes: number;
  readonly #fs: FileSystem;
  readonly #fd: number;
  #offset = 0;
  #length = 0;

  constructor(fs: FileSystem, fd: number, sizeBytes: number) {
    this.#fs = fs;
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
    this.bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, sizeBytes));
  }

  /**
   * Makes `length` bytes of the file from `offset` on contiguous. Returns where they start in `bytes`, or -1 when the
   * file ends before. It is made for offsets that go forward: what lies before the window is read anew.
   */
  load(offset: number, length: number): number {
    if (offset + length > this.sizeBytes) return -1;
    if (offset < this.#offset || offset + length > this.#offset + this.#length) this.#read(offset, length);
    return offset - this.#offset;
  }

  /** Behind the last byte from `offset` on that is not zero; `offset` when there is none. */
  contentEnd(offset: number): number {
    let end = offset;
    for (let from = offset; from < this.sizeBytes; from += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, this.sizeBytes - from);
      const at = this.load(from, length);
      const behind = contentEnd(this.bytes, at, at + length);
      if (behind > at) end = from + behind - at;
    }
    return end;
  }

  #read(offset: number, length: number): void {
    const end = this.#offset + this.#length;
    const covered = offset >= this.#offset && offset < end;
    const kept = covered ? end - offset : 0;
    const target = length > this.bytes.length ? Buffer.allocUnsafeSlow(length) : this.bytes;
    if (covered) target.set(this.bytes.subarray(offset - this.#offset, offset - this.#offset + kept), 0);
    const wanted = Math.min(target.length, this.sizeBytes - offset);
    if (!readFullySync(this.#fs, this.#fd, target, kept, wanted - kept, offset + kept)) {
      throw new Error(`the file ended below its size of ${this.sizeBytes} bytes while it was read`);
    }
    this.bytes = target;
    this.#offset = offset;
    this.#length = wanted;
  }
}
