import { CursorIterator } from '../iterator/cursor-iterator.ts';
import type { KeyBound } from '../iterator/key-bound.ts';
import type { PageBuilder } from '../iterator/page-builder.ts';
import { BlockCursor } from './block.ts';
import type { BlockSource } from './block-source.ts';
import { isDamage } from './damage.ts';
import type { TableIndex } from './table-index.ts';

/** A cursor over one table. After an error it is at no entry and may seek again. */
export class TableIterator extends CursorIterator<BlockCursor> {
  readonly #blocks: BlockSource;
  readonly #index: TableIndex;
  readonly #skipsDamage: boolean;

  /**
   * @param index of the table whose blocks these are
   * @param skipsDamage whether blocks that cannot be read are passed over
   */
  constructor(blocks: BlockSource, index: TableIndex, skipsDamage = false) {
    super(new BlockCursor());
    this.#blocks = blocks;
    this.#index = index;
    this.#skipsDamage = skipsDamage;
  }

  override seekToFirst(): void {
    this.#blocks.expectWalk();
    if (this.#enter(0)) this.cursor.seekToFirst();
    this.settle();
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    this.cursor.clear();
    const ordinal = this.#index.find(key, start, end);
    if (ordinal < 0) return;
    this.#blocks.expectSeek();
    if (this.#enter(ordinal)) this.cursor.seek(key, start, end);
    this.settle();
  }

  /** The rest of the block, when all of it is below the bound. */
  addRun(page: PageBuilder, bound: KeyBound): boolean {
    const cursor = this.cursor;
    const takesBlock =
      !bound.isSet || this.#index.isBelow(this.#blocks.ordinal, bound.bytes, bound.start, bound.end);
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
      if (cursor.fault !== undefined && !this.#skipsDamage) throw this.#damaged(cursor.fault);
      if (this.#blocks.ordinal + 1 === this.#index.blockCount) return;
      if (this.#enter(this.#blocks.ordinal + 1)) cursor.seekToFirst();
    }
  }

  #damaged(fault: string): Error {
    this.cursor.clear();
    return this.#blocks.damaged(fault);
  }

  /** Returns false when the block cannot be read and is passed over. */
  #enter(ordinal: number): boolean {
    this.cursor.clear();
    const blocks = this.#blocks;
    try {
      blocks.enter(ordinal);
    } catch (error) {
      if (!this.#skipsDamage || !isDamage(error)) throw error;
      return false;
    }
    this.cursor.reset(blocks.bytes, blocks.start, blocks.end);
    return true;
  }
}
