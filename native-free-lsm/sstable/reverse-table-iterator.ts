import { CursorIterator } from '../iterator/cursor-iterator.ts';
import type { KeyBound } from '../iterator/key-bound.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import type { BlockSource } from './block-source.ts';
import { ReverseBlockCursor } from './reverse-block-cursor.ts';
import type { TableIndex } from './table-index.ts';

/** A cursor over one table, from its last key to its first. After an error it is at no entry and may seek again. */
export class ReverseTableIterator extends CursorIterator<ReverseBlockCursor> {
  readonly #blocks: BlockSource;
  readonly #index: TableIndex;

  /** @param index of the table whose blocks these are */
  constructor(blocks: BlockSource, index: TableIndex) {
    super(new ReverseBlockCursor());
    this.#blocks = blocks;
    this.#index = index;
  }

  override seekToFirst(): void {
    this.#blocks.expectWalk();
    this.#enter(this.#index.blockCount - 1);
    this.cursor.seekToFirst();
    this.settle();
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    this.cursor.clear();
    const found = this.#index.find(key, start, end);
    // All blocks before the one that is found are below the key, and of that one perhaps nothing is.
    this.#blocks.expectSeek();
    this.#enter(found < 0 ? this.#index.blockCount - 1 : found);
    this.cursor.seek(key, start, end);
    this.settle();
  }

  /** The rest of the block, when all of it is above the bound. */
  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const cursor = this.cursor;
    const { ordinal } = this.#blocks;
    // The index has a key under all keys of a block: that of the block before.
    const takesBlock =
      !bound.isSet || (ordinal > 0 && !this.#index.isBelow(ordinal - 1, bound.bytes, bound.start, bound.end));
    do {
      const { keyBytes, keyEnd, recordBytes, recordStart, recordEnd } = cursor;
      if (!page.add(keyBytes, 0, keyEnd, recordBytes, recordStart, recordEnd)) return false;
      cursor.next();
    } while (takesBlock && cursor.valid);
    this.settle();
    return true;
  }

  /** Goes on to the block before when the cursor has reached the beginning of its own. */
  protected override settle(): void {
    const cursor = this.cursor;
    while (!cursor.valid) {
      if (cursor.fault !== undefined) throw this.#damaged(cursor.fault);
      if (this.#blocks.ordinal === 0) return;
      this.#enter(this.#blocks.ordinal - 1);
      cursor.seekToFirst();
    }
  }

  #damaged(fault: string): Error {
    this.cursor.clear();
    return this.#blocks.damaged(fault);
  }

  #enter(ordinal: number): void {
    this.cursor.clear();
    const blocks = this.#blocks;
    blocks.enter(ordinal);
    this.cursor.reset(blocks.bytes, blocks.start, blocks.end);
  }
}
