import { compareBytes } from '../format/bytes.ts';
import type { RecordCursor, RecordIterator } from './record-iterator.ts';

/**
 * An iterator whose entry is that of a cursor. It moves the cursor from one block to the next, and past entries that it
 * leaves out.
 */
export abstract class CursorIterator<Cursor extends RecordCursor> implements RecordIterator {
  readonly cursor: Cursor;

  constructor(cursor: Cursor) {
    this.cursor = cursor;
  }

  get valid(): boolean {
    return this.cursor.valid;
  }
  get keyBytes(): Uint8Array {
    return this.cursor.keyBytes;
  }
  get keyStart(): number {
    return this.cursor.keyStart;
  }
  get keyEnd(): number {
    return this.cursor.keyEnd;
  }
  get recordBytes(): Uint8Array {
    return this.cursor.recordBytes;
  }
  get recordStart(): number {
    return this.cursor.recordStart;
  }
  get recordEnd(): number {
    return this.cursor.recordEnd;
  }

  abstract seekToFirst(): void;

  /** Walks from the first entry: only for merges and copies, which do not seek. */
  seek(key: Uint8Array, start: number, end: number): void {
    this.seekToFirst();
    while (this.valid && compareBytes(this.keyBytes, this.keyStart, this.keyEnd, key, start, end) < 0)
      this.next();
  }

  next(): void {
    this.cursor.next();
    if (!this.cursor.valid) this.settle();
  }

  /**
   * Called when the cursor has moved or its block has ended: moves it to the next entry that counts, if there is one.
   */
  protected abstract settle(): void;
}
