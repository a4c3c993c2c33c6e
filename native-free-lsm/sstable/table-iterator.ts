import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { CursorIterator } from '../iterator/cursor-iterator.ts';
import type { KeyBound } from '../iterator/key-bound.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import { BlockCursor } from './block.ts';
import {
  BLOCK_TRAILER_BYTES,
  Compression,
  decompressBlock,
  requireFrame,
  verifyBlock,
} from './block-codec.ts';
import { readExactly } from './read-exactly.ts';
import type { TableIndex } from './table-index.ts';

/**
 * A cursor over one table. It reads several blocks at a time into a window that only this cursor uses, and verifies
 * each block when it enters it; an uncompressed one is then read in place. After an error the cursor is at no entry and
 * may seek again.
 */
export class TableIterator extends CursorIterator<BlockCursor> {
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #path: string;
  readonly #index: TableIndex;
  readonly #readaheadBytes: number;
  /** The blocks from `#windowFirst` to before `#windowEnd`, as they are in the file. */
  #window = new Uint8Array(0);
  #windowFirst = 0;
  #windowEnd = 0;
  #ordinal = 0;
  /** How much the next read may take: little after a seek, and more with every read that continues it. */
  #nextReadBytes = 0;

  constructor(fs: FileSystem, fd: number, path: string, index: TableIndex, readaheadBytes: number) {
    super(new BlockCursor());
    this.#fs = fs;
    this.#fd = fd;
    this.#path = path;
    this.#index = index;
    this.#readaheadBytes = readaheadBytes;
  }

  override seekToFirst(): void {
    this.#nextReadBytes = this.#readaheadBytes;
    this.#enter(0);
    this.cursor.seekToFirst();
    this.settle();
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    this.cursor.clear();
    const ordinal = this.#index.find(key, start, end);
    if (ordinal < 0) return;
    this.#nextReadBytes = 0;
    this.#enter(ordinal);
    this.cursor.seek(key, start, end);
    this.settle();
  }

  /** The rest of the block, when all of it is below the bound. */
  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const cursor = this.cursor;
    const takesBlock =
      !bound.isSet || this.#index.isBelow(this.#ordinal, bound.bytes, bound.start, bound.end);
    do {
      const { keyBytes, keyEnd, recordBytes, recordStart, recordEnd } = cursor;
      if (!page.add(keyBytes, 0, keyEnd, recordBytes, recordStart, recordEnd)) return false;
      cursor.next();
    } while (takesBlock && cursor.valid);
    this.settle();
    return true;
  }

  /** Goes on to the next block when the cursor has reached the end of its own. */
  protected override settle(): void {
    const cursor = this.cursor;
    while (!cursor.valid) {
      if (cursor.fault !== undefined) throw this.#damaged(cursor.fault);
      if (this.#ordinal + 1 === this.#index.blockCount) return;
      this.#enter(this.#ordinal + 1);
      cursor.seekToFirst();
    }
  }

  #damaged(fault: string): Error {
    this.cursor.clear();
    return corruption(this.#path, this.#index.blockOffset(this.#ordinal), fault);
  }

  /** Gives the block to the cursor, and reads it if it is not in the window. */
  #enter(ordinal: number): void {
    this.cursor.clear();
    if (ordinal < this.#windowFirst || ordinal >= this.#windowEnd) this.#read(ordinal);
    this.#ordinal = ordinal;
    const index = this.#index;
    const path = this.#path;
    const offset = index.blockOffset(ordinal);
    const diskBytes = index.diskBytes(ordinal);
    const memoryBytes = index.memoryBytes(ordinal);
    let block: Uint8Array = this.#window;
    let at = offset - index.blockOffset(this.#windowFirst);
    if (verifyBlock(block, at, diskBytes, memoryBytes, path, offset) === Compression.zstd) {
      block = decompressBlock(block, at, diskBytes, memoryBytes, path, offset);
      at = 0;
    }
    requireFrame(block, at, at + memoryBytes, path, offset);
    this.cursor.reset(block, at, at + memoryBytes);
  }

  /** Reads a block, and as many behind it as the window may hold, with one call. */
  #read(first: number): void {
    const index = this.#index;
    const start = index.blockOffset(first);
    const limit = start + this.#nextReadBytes;
    let end = this.#blockEnd(first);
    let last = first;
    while (last + 1 < index.blockCount && this.#blockEnd(last + 1) <= limit) {
      last++;
      end = this.#blockEnd(last);
    }
    const length = end - start;
    // The window is empty until the read has succeeded.
    this.#windowEnd = 0;
    this.#windowFirst = 0;
    if (this.#window.length < length) this.#window = new Uint8Array(Math.max(length, this.#nextReadBytes));
    readExactly(this.#fs, this.#fd, this.#path, this.#window, length, start);
    this.#windowFirst = first;
    this.#windowEnd = last + 1;
    this.#nextReadBytes = Math.min(this.#readaheadBytes, Math.max(this.#nextReadBytes, length) * 2);
  }

  #blockEnd(ordinal: number): number {
    return this.#index.blockOffset(ordinal) + this.#index.diskBytes(ordinal) + BLOCK_TRAILER_BYTES;
  }
}
