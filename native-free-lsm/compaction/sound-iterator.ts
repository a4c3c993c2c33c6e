import type { FileSystem } from '../fs/file-system.ts';
import { CursorIterator } from '../iterator/cursor-iterator.ts';
import { BlockCursor } from '../sstable/block.ts';
import { isDamage } from '../sstable/damage.ts';
import type { TableReader } from '../sstable/table-reader.ts';

/** An input that could not be read completely. */
export interface DamagedInput {
  readonly tableId: number;
  /** Where the first unreadable part begins, and what was wrong there. */
  readonly offset: number;
  readonly message: string;
}

/**
 * The readable entries of a damaged table. Blocks that cannot be read are skipped, and the first of them is remembered.
 */
export class SoundIterator extends CursorIterator<BlockCursor> {
  /** The first part that could not be read so far; undefined when everything could. */
  damage: DamagedInput | undefined;
  readonly #fs: FileSystem;
  readonly #reader: TableReader;
  readonly #open: () => number;
  #fd = -1;
  #block = new Uint8Array(0);
  #ordinal = -1;

  /** @param open opens the file; its caller closes it */
  constructor(fs: FileSystem, reader: TableReader, open: () => number) {
    super(new BlockCursor());
    this.#fs = fs;
    this.#reader = reader;
    this.#open = open;
  }

  override seekToFirst(): void {
    this.cursor.clear();
    this.#ordinal = -1;
    this.settle();
  }

  /** Moves to the first entry of the next readable block; there may be none. */
  protected override settle(): void {
    const { cursor } = this;
    if (cursor.valid) return;
    if (cursor.fault !== undefined) this.#note(this.#reader.blockOffset(this.#ordinal), cursor.fault);
    cursor.clear();
    while (!cursor.valid && ++this.#ordinal < this.#reader.blockCount) {
      try {
        this.#enter();
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.#note(error.offset ?? this.#reader.blockOffset(this.#ordinal), error.message);
        cursor.clear();
      }
    }
  }

  #enter(): void {
    if (this.#fd < 0) this.#fd = this.#open();
    const reader = this.#reader;
    const bytes = reader.blockMemoryBytes(this.#ordinal);
    if (this.#block.length < bytes) this.#block = new Uint8Array(bytes);
    reader.readBlock(this.#fs, this.#fd, this.#ordinal, this.#block, 0);
    this.cursor.reset(this.#block, 0, bytes);
    this.cursor.seekToFirst();
    if (this.cursor.fault !== undefined) this.#note(reader.blockOffset(this.#ordinal), this.cursor.fault);
  }

  #note(offset: number, message: string): void {
    this.damage ??= { tableId: this.#reader.metadata.id, offset, message };
  }
}
