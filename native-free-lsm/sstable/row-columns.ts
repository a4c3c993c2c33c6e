const FIRST_ROOM = 1024;
/** Columns of more rows are not kept: 18 MiB. A table of 32 MiB has as many if its records have 64 bytes. */
const MAX_KEPT_ROWS = 512 * 1024;

/** A thread alone writes a flush out of a compaction. */
const MAX_SPARE = 2;

/**
 * Columns that this thread uses again, because it writes one table after another. As garbage they would be collected
 * late, since a thread with little other garbage seldom collects any.
 */
const spare: RowColumns[] = [];

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
  /** For the numbers of rows while they are sorted. */
  order = new Uint32Array(FIRST_ROOM);
  otherOrder = new Uint32Array(FIRST_ROOM);

  /** Columns that nobody else uses, with anything in them. */
  static take(): RowColumns {
    return spare.pop() ?? new RowColumns();
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

  /** Call it once, when they are not used any more. */
  release(): void {
    const rows = Math.max(this.room, this.hashes.length);
    if (rows <= MAX_KEPT_ROWS && spare.length < MAX_SPARE) spare.push(this);
  }
}

function grown<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
