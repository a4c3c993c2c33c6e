import { checksum } from '../format/checksum.ts';
import { Fingerprinter } from '../format/fingerprint.ts';
import type { HashSeed } from '../format/hash.ts';
import { writeUint32 } from '../format/integers.ts';
import {
  RecordFlag,
  recordExpiryMs,
  recordFlags,
  recordFrom,
  recordTimestamp,
  recordWriter,
} from '../format/record.ts';
import { SLOT_COUNT } from '../format/slot.ts';
import { RowColumns } from './row-columns.ts';
import {
  CHECKSUM_BYTES,
  CLASS_BYTES,
  HEAD_BYTES,
  headBytes,
  indexBytes,
  MAX_PIECE_ROWS,
  MAX_PIECE_SLOTS,
  MAX_SAMPLES,
  PIECE_ENTRY_BYTES,
  ROW_KEY_BYTES,
  rowBytes,
  SAMPLE_BYTES,
  type SlotSectionHead,
  writeHead,
} from './slot-section-format.ts';

/** With fewer rows, to go through the counters of wide digits takes longer than to sort in twice as many passes. */
const WIDE_DIGIT_ROWS = 16_384;
const PURGEABLE = RecordFlag.tombstone | RecordFlag.hasExpiry;
/**
 * Gathers the slot versions of a table while its entries are added, and lays them out when it is finished. It takes 24
 * bytes of memory a record, and another 8 while it sorts.
 */
export class SlotSectionBuilder {
  readonly #fingerprinter: Fingerprinter;
  readonly #seed: HashSeed;
  #rows = 0;
  readonly #columns: RowColumns;
  #smallestTimestamp = Number.MAX_SAFE_INTEGER;
  #largestTimestamp = 0;
  #largestBlock = 0;
  /** The widths of a row's parts if there came no further row, and what is too large for each. */
  #rowBytes = ROW_KEY_BYTES;
  #timestampEnd = 1;
  #classEnd = 1;
  #blockEnd = 1;
  /** Writer, `from` and flags, of which there are few combinations, by number. */
  readonly #classes: { readonly writer: number; readonly from: number; readonly flags: number }[] = [];
  readonly #classByKey = new Map<number, number>();
  /** The class of the last record, as most have that of the one before. */
  #lastClass = -1;
  #lastClassKey = -1;
  #purgeable = 0;
  #privateRows = 0;
  /** Which of the purgeable rows become samples: each one whose number is a multiple of it. */
  #sampleStride = 1;
  #samples: { readonly slot: number; readonly timestamp: number; readonly expiryMs: number }[] = [];

  /** @param columns that nobody else uses as long as this does, but for those that it leaves alone */
  constructor(seed: HashSeed, columns = new RowColumns()) {
    this.#columns = columns;
    this.#seed = seed;
    this.#fingerprinter = new Fingerprinter(seed);
  }

  get estimatedSizeBytes(): number {
    // Few rows lie far apart, so that a piece has few; many fill their pieces.
    const pieces = Math.min(this.#rows, SLOT_COUNT / MAX_PIECE_SLOTS) + this.#rows / MAX_PIECE_ROWS;
    const fixed =
      HEAD_BYTES +
      this.#samples.length * SAMPLE_BYTES +
      CHECKSUM_BYTES +
      this.#classes.length * CLASS_BYTES +
      CHECKSUM_BYTES;
    return fixed + pieces * PIECE_ENTRY_BYTES + this.#rows * this.#rowBytes;
  }

  /** @param block the number of the data block that the entry is in */
  add(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    record: Uint8Array,
    at: number,
    block: number,
  ): void {
    const from = recordFrom(record, at);
    if (this.#rows === this.#columns.room) this.#columns.grow();
    const row = this.#rows++;
    if (from === 0) this.#privateRows++;
    const fingerprinter = this.#fingerprinter;
    fingerprinter.take(key, keyStart, keyEnd);
    const timestamp = recordTimestamp(record, at);
    const flags = recordFlags(record, at);
    const columns = this.#columns;
    columns.highs[row] = fingerprinter.high;
    columns.lows[row] = fingerprinter.low;
    columns.timestamps[row] = timestamp;
    columns.classNumbers[row] = this.#classOf(recordWriter(record, at), from, flags);
    columns.blocks[row] = block;
    if (timestamp < this.#smallestTimestamp) this.#smallestTimestamp = timestamp;
    if (timestamp > this.#largestTimestamp) this.#largestTimestamp = timestamp;
    if (block > this.#largestBlock) this.#largestBlock = block;
    while (this.#largestTimestamp - this.#smallestTimestamp >= this.#timestampEnd) {
      this.#timestampEnd *= 256;
      this.#rowBytes++;
    }
    while (this.#classes.length > this.#classEnd) {
      this.#classEnd *= 256;
      this.#rowBytes++;
    }
    while (block >= this.#blockEnd) {
      this.#blockEnd *= 256;
      this.#rowBytes++;
    }
    // A private tombstone needs no watermark to go, so it is no reason to rewrite the table for one.
    if ((flags & PURGEABLE) === 0 || from === 0) return;
    const expiryMs = (flags & RecordFlag.tombstone) === 0 ? recordExpiryMs(record, at) : 0;
    this.#sample(fingerprinter.high >>> 16, timestamp, expiryMs);
  }

  /** Lays out the section. The same entries give the same bytes. */
  finish(): Uint8Array {
    const order = this.#sorted();
    const pieces = this.#cut(order);
    const head = this.#head(pieces.length);
    const indexStart = headBytes(head);
    const piecesStart = indexStart + indexBytes(head);
    const size = rowBytes(head);
    const bytes = new Uint8Array(piecesStart + this.#rows * size);
    writeHead(bytes, head);
    let at = indexStart;
    for (const { writer, from, flags } of this.#classes) {
      writeUint32(bytes, at, writer);
      writeUint32(bytes, at + 4, from | (flags << 16));
      at += CLASS_BYTES;
    }
    let start = piecesStart;
    for (const [number, first] of pieces.entries()) {
      const end = pieces[number + 1] ?? this.#rows;
      const firstSlot = this.#columns.highs[order[first]] >>> 16;
      for (let index = first; index < end; index++)
        this.#writeRow(bytes, piecesStart + index * size, order[index], firstSlot, head);
      const next = piecesStart + end * size;
      writeUint32(bytes, at, firstSlot | ((end - first) << 16));
      writeUint32(bytes, at + 4, checksum(bytes, start, next));
      at += PIECE_ENTRY_BYTES;
      start = next;
    }
    writeUint32(bytes, at, checksum(bytes, indexStart, piecesStart - CHECKSUM_BYTES));
    return bytes;
  }

  #head(pieces: number): SlotSectionHead {
    const smallestTimestamp = this.#rows === 0 ? 0 : this.#smallestTimestamp;
    return {
      timestampBytes: bytesFor(Math.max(0, this.#largestTimestamp - smallestTimestamp)),
      classBytes: bytesFor(Math.max(0, this.#classes.length - 1)),
      blockBytes: bytesFor(this.#largestBlock),
      seed: this.#seed,
      rows: this.#rows,
      pieces,
      classes: this.#classes.length,
      smallestTimestamp,
      purgeable: this.#purgeable,
      privateRows: this.#privateRows,
      samples: {
        slots: Uint16Array.from(this.#samples, ({ slot }) => slot),
        timestamps: Float64Array.from(this.#samples, ({ timestamp }) => timestamp),
        expiries: Float64Array.from(this.#samples, ({ expiryMs }) => expiryMs),
      },
    };
  }

  #writeRow(bytes: Uint8Array, start: number, row: number, firstSlot: number, head: SlotSectionHead): void {
    const high = this.#columns.highs[row];
    bytes[start] = (high >>> 16) - firstSlot;
    bytes[start + 1] = high;
    bytes[start + 2] = high >>> 8;
    writeUint32(bytes, start + 3, this.#columns.lows[row]);
    let at = start + ROW_KEY_BYTES;
    at = writeUint(bytes, at, this.#columns.timestamps[row] - head.smallestTimestamp, head.timestampBytes);
    at = writeUint(bytes, at, this.#columns.classNumbers[row], head.classBytes);
    writeUint(bytes, at, this.#columns.blocks[row], head.blockBytes);
  }

  /** The first row of each piece. */
  #cut(order: Uint32Array): number[] {
    const pieces: number[] = [];
    let firstSlot = 0;
    let first = 0;
    for (let index = 0; index < this.#rows; index++) {
      const slot = this.#columns.highs[order[index]] >>> 16;
      if (pieces.length > 0 && index - first < MAX_PIECE_ROWS && slot - firstSlot < MAX_PIECE_SLOTS) continue;
      pieces.push(index);
      first = index;
      firstSlot = slot;
    }
    return pieces;
  }

  /**
   * The rows in the order of their fingerprints, by counting (a radix sort): clients choose keys, and no choice of theirs
   * makes it slower.
   */
  #sorted(): Uint32Array {
    const rows = this.#rows;
    const columns = this.#columns;
    let from = columns.order;
    for (let row = 0; row < rows; row++) from[row] = row;
    let to = columns.otherOrder;
    const digitBits = rows < WIDE_DIGIT_ROWS ? 8 : 16;
    const digits = 1 << digitBits;
    const counts = new Uint32Array(digits);
    for (const column of [columns.lows, columns.highs]) {
      for (let shift = 0; shift < 32; shift += digitBits) {
        counts.fill(0);
        for (let row = 0; row < rows; row++) counts[(column[row] >>> shift) & (digits - 1)]++;
        let sum = 0;
        for (let digit = 0; digit < digits; digit++) {
          const count = counts[digit];
          counts[digit] = sum;
          sum += count;
        }
        for (let index = 0; index < rows; index++) {
          const row = from[index];
          to[counts[(column[row] >>> shift) & (digits - 1)]++] = row;
        }
        [from, to] = [to, from];
      }
    }
    return from;
  }

  #classOf(writer: number, from: number, flags: number): number {
    const key = writer * 2 ** 20 + from * 4 + flags;
    if (key === this.#lastClassKey) return this.#lastClass;
    let number = this.#classByKey.get(key);
    if (number === undefined) {
      number = this.#classes.length;
      this.#classes.push({ writer, from, flags });
      this.#classByKey.set(key, number);
    }
    this.#lastClass = number;
    this.#lastClassKey = key;
    return number;
  }

  #sample(slot: number, timestamp: number, expiryMs: number): void {
    const number = this.#purgeable++;
    if (number % this.#sampleStride !== 0) return;
    if (this.#samples.length === MAX_SAMPLES) {
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
      this.#sampleStride *= 2;
      if (number % this.#sampleStride !== 0) return;
    }
    this.#samples.push({ slot, timestamp, expiryMs });
  }
}

/** How many bytes a number takes at least. */
function bytesFor(value: number): number {
  let bytes = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes++;
  return bytes;
}

function writeUint(target: Uint8Array, at: number, value: number, bytes: number): number {
  let rest = value;
  for (let index = 0; index < bytes; index++) {
    target[at + index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + bytes;
}
