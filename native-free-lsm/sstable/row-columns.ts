import { Spares } from './spares.ts';

const FIRST_ROOM = 1024;
/** Columns of more rows are not kept: 18 MiB. A table of 32 MiB has as many if its records have 64 bytes. */
const MAX_KEPT_ROWS = 512 * 1024;

/** What is gathered of each record of a table while it is written, by row. */
export class RowColumns {
  /** Of fingerprints. */
  highs = new Uint32Array(FIRST_ROOM);
  lows = new Uint32Array(FIRST_ROOM);
  timestamps = new Float64Array(FIRST_ROOM);
  classNumbers = new Uint32Array(FIRST_ROOM);
  blocks = new Uint32Array(FIRST_ROOM);
  /** Of the keys, for the filter. It has room of its own, as it is there also where nothing else is gathered. */
  hashes = new Uint32Array(FIRST_ROOM);
  /** For the filter. */
  #filter = new ArrayBuffer(0);
  /** For the numbers of rows while they are sorted. */
  order = new Uint32Array(FIRST_ROOM);
  otherOrder = new Uint32Array(FIRST_ROOM);

  /** Columns that nobody else uses, with anything in them. */
  static take(): RowColumns {
    return spares.take();
  }

  get room(): number {
    return this.highs.length;
  }

  /** Doubles the room. */
  grow(): void {
    const room = this.room * 2;
    this.highs = grown(this.highs, new Uint32Array(room));
    this.lows = grown(this.lows, new Uint32Array(room));
    this.timestamps = grown(this.timestamps, new Float64Array(room));
    this.classNumbers = grown(this.classNumbers, new Uint32Array(room));
    this.blocks = grown(this.blocks, new Uint32Array(room));
    this.order = new Uint32Array(room);
    this.otherOrder = new Uint32Array(room);
  }

  /** Doubles the room for hashes. */
  growHashes(): void {
    this.hashes = grown(this.hashes, new Uint32Array(this.hashes.length * 2));
  }

  /** Memory for the filter, of so many bytes or more, with anything in it. */
  filterMemory(lengthBytes: number): ArrayBuffer {
    // As rooms double, so that tables of about one size need no other.
    if (this.#filter.byteLength < lengthBytes) this.#filter = new ArrayBuffer(2 * lengthBytes);
    return this.#filter;
  }

  /** Call it once, when they are not used any more. */
  release(): void {
    const rows = Math.max(this.room, this.hashes.length);
    if (rows <= MAX_KEPT_ROWS) spares.giveBack(this);
  }
}

const spares = new Spares(() => new RowColumns());

function grown<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
