import { corruption } from '../errors.ts';
import { checksum } from '../format/checksum.ts';
import { readUint32 } from '../format/integers.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { readExactly } from './read-exactly.ts';
import {
  CHECKSUM_BYTES,
  CLASS_BYTES,
  headBytes,
  indexBytes,
  PIECE_ENTRY_BYTES,
  ROW_KEY_BYTES,
  rowBytes,
  type SlotSectionHead,
  type SlotSectionPlace,
} from './slot-section-format.ts';

/** Who gets the rows of a slot. */
export interface RowSink {
  add(
    high: number,
    low: number,
    timestamp: number,
    writer: number,
    from: number,
    flags: number,
    source: number,
    place: number,
  ): void;
}

/** What one read takes when one slot after another is asked for: few calls, and little memory for many tables. */
const READAHEAD_BYTES = 32 * 1024;

/**
 * Reads the slot versions of one table, slot by slot in ascending order, piece by piece: every piece that it uses has
 * been verified. It keeps the index and a few pieces in memory.
 */
export class SlotSection {
  readonly rows: number;
  readonly #fs: FileSystem;
  readonly #fdOf: () => number;
  readonly #path: string;
  readonly #head: SlotSectionHead;
  readonly #rowBytes: number;
  readonly #pieceCount: number;
  /** By piece: the slot of its first row, where it starts, counted from the first piece, and its checksum. */
  readonly #firstSlots: Uint16Array;
  readonly #starts: Uint32Array;
  readonly #checksums: Uint32Array;
  readonly #writers: Uint32Array;
  readonly #froms: Uint16Array;
  readonly #flags: Uint8Array;
  readonly #piecesOffset: number;
  readonly #readaheadBytes: number;
  #window = new Uint8Array(0);
  /** The pieces in the window, from the first up to this one. */
  #windowFirst = 0;
  #windowEnd = 0;
  /** The piece whose rows are looked at; its rows up to `#rowAt` are of lower slots than those asked for. */
  #piece = -1;
  #rowAt = 0;
  #lastSlot = -1;

  /**
   * @param fdOf the file, open; asked before each read
   * @param isScan whether most slots will be asked for, so that reading ahead pays
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  constructor(
    fs: FileSystem,
    fdOf: () => number,
    path: string,
    place: SlotSectionPlace,
    head: SlotSectionHead,
    isScan: boolean,
  ) {
    this.#fs = fs;
    this.#fdOf = fdOf;
    this.#path = path;
    this.#head = head;
    this.rows = head.rows;
    this.#readaheadBytes = isScan ? READAHEAD_BYTES : 0;
    this.#rowBytes = rowBytes(head);
    const offset = place.offset + headBytes(head);
    const bytes = new Uint8Array(indexBytes(head));
    readExactly(fs, fdOf(), path, bytes, bytes.length, offset);
    const crcAt = bytes.length - CHECKSUM_BYTES;
    if (checksum(bytes, 0, crcAt) !== readUint32(bytes, crcAt))
      throw corruption(path, offset, 'the index of the slot versions does not match its checksum');
    this.#piecesOffset = offset + bytes.length;
    this.#writers = new Uint32Array(head.classes);
    this.#froms = new Uint16Array(head.classes);
    this.#flags = new Uint8Array(head.classes);
    let at = 0;
    for (let number = 0; number < head.classes; number++) {
      this.#writers[number] = readUint32(bytes, at);
      this.#froms[number] = bytes[at + 4] | (bytes[at + 5] << 8);
      this.#flags[number] = bytes[at + 6];
      at += CLASS_BYTES;
    }
    this.#pieceCount = head.pieces;
    this.#firstSlots = new Uint16Array(head.pieces);
    this.#checksums = new Uint32Array(head.pieces);
    this.#starts = new Uint32Array(head.pieces + 1);
    for (let piece = 0; piece < head.pieces; piece++) {
      this.#firstSlots[piece] = bytes[at] | (bytes[at + 1] << 8);
      const rows = bytes[at + 2] | (bytes[at + 3] << 8);
      this.#starts[piece + 1] = this.#starts[piece] + rows * this.#rowBytes;
      this.#checksums[piece] = readUint32(bytes, at + 4);
      at += PIECE_ENTRY_BYTES;
    }
    if (this.#starts[head.pieces] !== head.rows * this.#rowBytes)
      throw corruption(path, offset, 'the index of the slot versions does not have their number');
  }

  /**
   * Adds the versions of a slot, which must be above that of the call before, but none of records with `from` 0.
   * @param source handed on with each row, beside the number of its data block
   * @returns how many
   * @throws LsmError CORRUPTION with file and offset, IO_ERROR
   */
  collect(slot: number, rows: RowSink, source: number): number {
    return this.#collect(slot, rows, source, 1);
  }

  /** Like `collect`, with those of records with `from` 0. */
  collectAll(slot: number, rows: RowSink, source: number): number {
    return this.#collect(slot, rows, source, 0);
  }

  #collect(slot: number, rows: RowSink, source: number, minFrom: number): number {
    if (slot <= this.#lastSlot) throw new RangeError(`slot ${slot} is not above ${this.#lastSlot}`);
    this.#lastSlot = slot;
    let found = 0;
    for (let piece = this.#seek(slot); piece < this.#pieceCount; piece++) {
      if (this.#firstSlots[piece] > slot) break;
      if (piece !== this.#piece) this.#enter(piece);
      const added = this.#collectFrom(slot, rows, source, minFrom);
      found += added;
      // Rows of higher slots are left in it.
      if (this.#rowAt < this.#starts[piece + 1]) break;
    }
    return found;
  }

  /** The first piece, from the current one on, that may have rows of the slot. */
  #seek(slot: number): number {
    const firsts = this.#firstSlots;
    let low = Math.max(0, this.#piece);
    let high = this.#pieceCount;
    // The first piece that begins at the slot or above it...
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (firsts[middle] < slot) low = middle + 1;
      else high = middle;
    }
    // ...and the one before may end with rows of the slot.
    return Math.max(low - 1, this.#piece, 0);
  }

  #collectFrom(slot: number, rows: RowSink, source: number, minFrom: number): number {
    const bytes = this.#window;
    const head = this.#head;
    const size = this.#rowBytes;
    const piece = this.#piece;
    const delta = slot - this.#firstSlots[piece];
    const base = this.#starts[this.#windowFirst];
    const end = this.#starts[piece + 1] - base;
    let at = this.#rowAt - base;
    let found = 0;
    while (at < end && bytes[at] < delta) at += size;
    for (; at < end && bytes[at] === delta; at += size) {
      const high = ((slot << 16) | bytes[at + 1] | (bytes[at + 2] << 8)) >>> 0;
      let field = at + ROW_KEY_BYTES;
      const timestamp = head.smallestTimestamp + readUint(bytes, field, head.timestampBytes);
      field += head.timestampBytes;
      const number = readUint(bytes, field, head.classBytes);
      if (this.#froms[number] < minFrom) continue;
      const block = readUint(bytes, field + head.classBytes, head.blockBytes);
      rows.add(
        high,
        readUint32(bytes, at + 3),
        timestamp,
        this.#writers[number],
        this.#froms[number],
        this.#flags[number],
        source,
        block,
      );
      found++;
    }
    this.#rowAt = at + base;
    return found;
  }

  #enter(piece: number): void {
    if (piece < this.#windowFirst || piece >= this.#windowEnd) this.#read(piece);
    const base = this.#starts[this.#windowFirst];
    const start = this.#starts[piece];
    const end = this.#starts[piece + 1];
    if (checksum(this.#window, start - base, end - base) !== this.#checksums[piece]) {
      const place = this.#piecesOffset + start;
      const what = `the ${end - start} bytes of slot versions that start here do not match their checksum`;
      throw corruption(this.#path, place, what);
    }
    this.#piece = piece;
    this.#rowAt = start;
  }

  /** Reads a piece, and as many behind it as one read takes. */
  #read(first: number): void {
    const start = this.#starts[first];
    let end = first + 1;
    while (end < this.#pieceCount && this.#starts[end + 1] - start <= this.#readaheadBytes) end++;
    const length = this.#starts[end] - start;
    this.#windowFirst = 0;
    this.#windowEnd = 0;
    if (this.#window.length < length) this.#window = new Uint8Array(Math.max(length, this.#readaheadBytes));
    readExactly(this.#fs, this.#fdOf(), this.#path, this.#window, length, this.#piecesOffset + start);
    this.#windowFirst = first;
    this.#windowEnd = end;
  }
}

function readUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let index = length - 1; index >= 0; index--) value = value * 256 + bytes[at + index];
  return value;
}
