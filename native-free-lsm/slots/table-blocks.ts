import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BlockCursor } from '../sstable/block.ts';
import type { TableReader } from '../sstable/table-reader.ts';

/** The data blocks of one table, one at a time. */
export class TableBlocks {
  readonly count: number;
  readonly #fs: FileSystem;
  readonly #fdOf: () => number;
  readonly #reader: TableReader;
  readonly #cursor = new BlockCursor();
  #bytes = new Uint8Array(0);
  #block = -1;

  /** @param fdOf the file, open; asked before each read */
  constructor(fs: FileSystem, fdOf: () => number, reader: TableReader) {
    this.#fs = fs;
    this.#fdOf = fdOf;
    this.#reader = reader;
    this.count = reader.blockCount;
  }

  /**
   * The cursor, at the first entry of a block.
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  enter(block: number): BlockCursor {
    const bytes = this.#reader.blockMemoryBytes(block);
    if (this.#bytes.length < bytes) this.#bytes = new Uint8Array(bytes);
    if (block !== this.#block) {
      this.#block = -1;
      this.#reader.readBlock(this.#fs, this.#fdOf(), block, this.#bytes, 0);
      this.#block = block;
    }
    this.#cursor.reset(this.#bytes, 0, bytes);
    this.#cursor.seekToFirst();
    return this.#cursor;
  }

  /** @throws LsmError CORRUPTION when the cursor has ended before the block did */
  requireWhole(): void {
    if (this.#cursor.fault !== undefined) throw this.fault(this.#cursor.fault);
  }

  /** Damage of the block that was entered last. */
  fault(what: string): Error {
    return corruption(this.#reader.handle.path, this.#reader.blockOffset(this.#block), what);
  }
}
