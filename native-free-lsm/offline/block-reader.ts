import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BlockCursor } from '../sstable/block.ts';
import { BLOCK_TRAILER_BYTES, unpackBlock } from '../sstable/block-codec.ts';
import { readExactly } from '../sstable/read-exactly.ts';
import type { BlockPlace } from './table-survey.ts';

/** Reads one data block of a table after another; `bytes[0, place.memoryBytes)` is the last one. */
export class BlockReader {
  readonly cursor = new BlockCursor();
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #path: string;
  #stored = new Uint8Array(64 * 1024);
  #bytes = new Uint8Array(64 * 1024);

  constructor(fs: FileSystem, fd: number, path: string) {
    this.#fs = fs;
    this.#fd = fd;
    this.#path = path;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Reads and verifies a block; the cursor is before its first entry then.
   * @throws LsmError CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR
   */
  read({ offset, diskBytes, memoryBytes }: BlockPlace): void {
    const length = diskBytes + BLOCK_TRAILER_BYTES;
    if (this.#stored.length < length) this.#stored = new Uint8Array(length);
    readExactly(this.#fs, this.#fd, this.#path, this.#stored, length, offset);
    this.#requirePossible(offset, diskBytes, memoryBytes);
    if (this.#bytes.length < memoryBytes) this.#bytes = new Uint8Array(memoryBytes);
    unpackBlock(this.#stored, 0, diskBytes, memoryBytes, this.#bytes, 0, this.#path, offset);
    this.cursor.reset(this.#bytes, 0, memoryBytes);
  }

  /** A wrong index must not make us allocate memory that no block needs. */
  #requirePossible(offset: number, diskBytes: number, memoryBytes: number): void {
    if (memoryBytes <= Math.max(MAX_BLOCK_BYTES, diskBytes)) return;
    throw corruption(this.#path, offset, `a block of ${memoryBytes} bytes by the index`);
  }
}

/** More than the largest block size and record that can be set. */
export const MAX_BLOCK_BYTES = 64 * 1024 * 1024;
