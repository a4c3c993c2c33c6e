import { compareBytes } from '../format/bytes.ts';
import { readUint32 } from '../format/integers.ts';
import { PAGE_ENTRY_HEADER_BYTES } from './page.ts';
import type { RecordIterator } from './record-iterator.ts';

/** Where one piece of packed entries lies, each entry as page.ts draws it. */
export interface PackedPiece {
  readonly start: number;
  readonly end: number;
}

/** Walks packed entries that lie in several pieces of one memory, each in key order and behind the one before. */
export class PackedIterator implements RecordIterator {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  readonly recordBytes: Uint8Array;
  recordStart = 0;
  recordEnd = 0;
  readonly #pieces: readonly PackedPiece[];
  #piece = 0;

  constructor(bytes: Uint8Array, pieces: readonly PackedPiece[]) {
    this.keyBytes = bytes;
    this.recordBytes = bytes;
    this.#pieces = pieces;
  }

  seekToFirst(): void {
    this.#piece = -1;
    this.#enterPiece();
  }

  /** Walks from the first entry: only for merges and copies, which do not seek. */
  seek(key: Uint8Array, start: number, end: number): void {
    this.seekToFirst();
    while (this.valid && compareBytes(this.keyBytes, this.keyStart, this.keyEnd, key, start, end) < 0)
      this.next();
  }

  next(): void {
    if (this.recordEnd < this.#pieces[this.#piece].end) this.#show(this.recordEnd);
    else this.#enterPiece();
  }

  #enterPiece(): void {
    do this.#piece++;
    while (
      this.#piece < this.#pieces.length &&
      this.#pieces[this.#piece].start >= this.#pieces[this.#piece].end
    );
    this.valid = this.#piece < this.#pieces.length;
    if (this.valid) this.#show(this.#pieces[this.#piece].start);
  }

  #show(at: number): void {
    this.keyStart = at + PAGE_ENTRY_HEADER_BYTES;
    this.keyEnd = this.keyStart + readUint32(this.keyBytes, at);
    this.recordStart = this.keyEnd;
    this.recordEnd = this.keyEnd + readUint32(this.keyBytes, at + 4);
  }
}
