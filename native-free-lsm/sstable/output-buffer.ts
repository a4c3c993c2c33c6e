import { copyBytes } from '../format/bytes.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { Spares } from './spares.ts';

const CAPACITY_BYTES = 512 * 1024;

const spares = new Spares<Uint8Array>(() => new Uint8Array(CAPACITY_BYTES));

/** Gathers what is appended to a file into few large writes, and syncs the file in steps. */
export class OutputBuffer {
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #file: string;
  readonly #syncEveryBytes: number;
  readonly #buffer: Uint8Array;
  #buffered = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;

  /**
   * @param syncEveryBytes a sync of tens of megabytes at once delays every other sync of the disk, those of the log
   *   among them, because a journalling file system orders them
   */
  constructor(fs: FileSystem, fd: number, file: string, syncEveryBytes = Number.POSITIVE_INFINITY) {
    this.#fs = fs;
    this.#fd = fd;
    this.#file = file;
    this.#syncEveryBytes = syncEveryBytes;
    this.#buffer = spares.take();
  }

  /** The offset of the next byte in the file. */
  get offset(): number {
    return this.#writtenBytes + this.#buffered;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (this.#buffered + length > CAPACITY_BYTES) this.flush();
    if (length > CAPACITY_BYTES) {
      this.#write(bytes.subarray(start, end));
    } else {
      copyBytes(bytes, start, end, this.#buffer, this.#buffered);
      this.#buffered += length;
    }
  }

  flush(): void {
    if (this.#buffered === 0) return;
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  /** Call it once, when nothing more is appended: its memory then serves for the next file. */
  release(): void {
    spares.giveBack(this.#buffer);
  }

  #write(bytes: Uint8Array): void {
    try {
      this.#fs.writeSync(this.#fd, [bytes], this.#writtenBytes);
      this.#writtenBytes += bytes.length;
      if (this.#writtenBytes - this.#syncedBytes < this.#syncEveryBytes) return;
      this.#fs.fdatasyncSync(this.#fd);
      this.#syncedBytes = this.#writtenBytes;
    } catch (error) {
      throw ioFailure('write', this.#file, error);
    }
  }
}
