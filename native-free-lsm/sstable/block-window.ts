import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import {
  BLOCK_TRAILER_BYTES,
  Compression,
  decompressBlock,
  requireFrame,
  verifyBlock,
} from './block-codec.ts';
import type { BlockSource } from './block-source.ts';
import { readExactly } from './read-exactly.ts';
import type { TableIndex } from './table-index.ts';
import { OWN_WINDOWS, type WindowSource } from './window-memory.ts';

const NO_BYTES = new Uint8Array(0);
/** Blocks are seldom larger, so that memory is taken once. */
const UNPACKED_BYTES = 16 * 1024;

/**
 * The blocks of a table from its file. Several are read at a time into memory of its own, and each is verified when it
 * is entered; an uncompressed one is then used in place.
 */
export class BlockWindow implements BlockSource {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  ordinal = 0;
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #path: string;
  readonly #index: TableIndex;
  readonly #readaheadBytes: number;
  readonly #isReverse: boolean;
  readonly #memory: WindowSource;
  /** The blocks from `#first` to before `#behind`, as they are in the file. */
  #stored: Uint8Array = NO_BYTES;
  #first = 0;
  #behind = 0;
  /** The current block, if it is compressed in the file. */
  #unpacked: Uint8Array = NO_BYTES;
  /** How much the next read may take: little after a seek, and more with every read that continues it. */
  #nextReadBytes = 0;

  /**
   * @param readaheadBytes the most that one read may take, unless one block is larger
   * @param isReverse whether the cursor goes from the last block to the first
   * @param memory where the window lies
   */
  constructor(
    fs: FileSystem,
    fd: number,
    path: string,
    index: TableIndex,
    readaheadBytes: number,
    isReverse: boolean,
    memory: WindowSource = OWN_WINDOWS,
  ) {
    this.#fs = fs;
    this.#memory = memory;
    this.#fd = fd;
    this.#path = path;
    this.#index = index;
    this.#readaheadBytes = readaheadBytes;
    this.#isReverse = isReverse;
  }

  expectWalk(): void {
    this.#nextReadBytes = this.#readaheadBytes;
  }

  expectSeek(): void {
    this.#nextReadBytes = 0;
  }

  damaged(fault: string): Error {
    return corruption(this.#path, this.#index.blockOffset(this.ordinal), fault);
  }

  enter(ordinal: number): void {
    this.ordinal = ordinal;
    if (ordinal < this.#first || ordinal >= this.#behind) this.#read(ordinal);
    const index = this.#index;
    const path = this.#path;
    const offset = index.blockOffset(ordinal);
    const diskBytes = index.diskBytes(ordinal);
    const memoryBytes = index.memoryBytes(ordinal);
    let block: Uint8Array = this.#stored;
    let at = offset - index.blockOffset(this.#first);
    const compression = verifyBlock(block, at, diskBytes, memoryBytes, path, offset);
    if (compression !== Compression.none) {
      if (this.#unpacked.length < memoryBytes) {
        this.#memory.giveBack(this.#unpacked);
        this.#unpacked = NO_BYTES;
        this.#unpacked = this.#memory.take(Math.max(memoryBytes, UNPACKED_BYTES));
      }
      decompressBlock(compression, block, at, diskBytes, memoryBytes, this.#unpacked, 0, path, offset);
      block = this.#unpacked;
      at = 0;
    }
    requireFrame(block, at, at + memoryBytes, path, offset);
    this.bytes = block;
    this.start = at;
    this.end = at + memoryBytes;
  }

  /** Reads a block, and as many of those that come next as the window may hold, with one call. */
  #read(ordinal: number): void {
    const index = this.#index;
    let first = ordinal;
    let last = ordinal;
    if (this.#isReverse) {
      const least = this.#blockEnd(ordinal) - this.#nextReadBytes;
      while (first > 0 && index.blockOffset(first - 1) >= least) first--;
    } else {
      const limit = index.blockOffset(ordinal) + this.#nextReadBytes;
      while (last + 1 < index.blockCount && this.#blockEnd(last + 1) <= limit) last++;
    }
    const start = index.blockOffset(first);
    const length = this.#blockEnd(last) - start;
    // The window is empty until the read has succeeded.
    this.#behind = 0;
    this.#first = 0;
    if (this.#stored.length < length) {
      this.#memory.giveBack(this.#stored);
      this.#stored = NO_BYTES;
      this.#stored = this.#memory.take(Math.max(length, this.#nextReadBytes));
    }
    readExactly(this.#fs, this.#fd, this.#path, this.#stored, length, start);
    this.#first = first;
    this.#behind = last + 1;
    this.#nextReadBytes = Math.min(this.#readaheadBytes, Math.max(this.#nextReadBytes, length) * 2);
  }

  #blockEnd(ordinal: number): number {
    return this.#index.blockOffset(ordinal) + this.#index.diskBytes(ordinal) + BLOCK_TRAILER_BYTES;
  }
}
