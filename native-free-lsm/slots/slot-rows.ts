import { addFold, isUncounted, PURGEABLE } from './fold.ts';
import type { SlotVersions } from './slot-versions.ts';

/**
 * The source of rows that stand for what cannot be read. They count whatever may be purged: others may have such a value
 * still, and bring it only where they see that it is missing.
 */
export const LOST_SOURCE = -1;
/** Most slots have less, and most jobs are of a few slots. */
const FIRST_ROOM = 8;

/**
 * The newest version of each key of one slot, gathered from any number of sources in any order. It is made once and
 * used for one slot after another: its memory grows to what the largest slot needs.
 */
export class SlotRows {
  count = 0;
  #highs = new Uint32Array(FIRST_ROOM);
  #lows = new Uint32Array(FIRST_ROOM);
  #timestamps = new Float64Array(FIRST_ROOM);
  #writers = new Uint32Array(FIRST_ROOM);
  #froms = new Uint16Array(FIRST_ROOM);
  #flags = new Uint8Array(FIRST_ROOM);
  /** Which source has the version, and where in it. */
  #sources = new Int32Array(FIRST_ROOM);
  #places = new Int32Array(FIRST_ROOM);
  /** By hash: one more than the index of a row; 0: free. Twice as many as there is room for rows. */
  #table = new Int32Array(FIRST_ROOM * 2);

  /** Removes all rows, for the next slot. */
  clear(): void {
    // A table that a large slot has made large is not gone through again for each small one.
    if (this.count * 8 < this.#table.length) this.#removeRows();
    else this.#table.fill(0);
    this.count = 0;
  }

  /** Takes a version of a key, unless a newer one is there. The first of equal ones stays. */
  add(
    high: number,
    low: number,
    timestamp: number,
    writer: number,
    from: number,
    flags: number,
    source: number,
    place: number,
  ): void {
    let row = this.#find(high, low);
    if (row >= 0) {
      const older = timestamp - this.#timestamps[row] || writer - this.#writers[row];
      if (older <= 0) return;
    } else {
      if (this.count === this.#highs.length) this.#grow();
      row = this.count++;
      this.#table[this.#slotFor(high, low)] = row + 1;
      this.#highs[row] = high;
      this.#lows[row] = low;
    }
    this.#timestamps[row] = timestamp;
    this.#writers[row] = writer;
    this.#froms[row] = from;
    this.#flags[row] = flags;
    this.#sources[row] = source;
    this.#places[row] = place;
  }

  /** The row of a fingerprint; -1: there is none. */
  find(high: number, low: number): number {
    return this.#find(high >>> 0, low >>> 0);
  }

  /** Whether the row has just this version. */
  hasVersion(row: number, timestamp: number, writer: number): boolean {
    return this.#timestamps[row] === timestamp && this.#writers[row] === writer;
  }

  /** The upper 32 bits of the row's fingerprint. */
  high(row: number): number {
    return this.#highs[row];
  }

  /** The lower 32 bits of the row's fingerprint. */
  low(row: number): number {
    return this.#lows[row];
  }

  /** Of the row's version. */
  timestamp(row: number): number {
    return this.#timestamps[row];
  }

  /** Of the row's version. */
  writer(row: number): number {
    return this.#writers[row];
  }

  /** How many replicas the row's version was written for. */
  from(row: number): number {
    return this.#froms[row];
  }

  /** Bits of RecordFlag. */
  flags(row: number): number {
    return this.#flags[row];
  }

  /** Which source had the row's version, by the number that `add` was given. */
  source(row: number): number {
    return this.#sources[row];
  }

  /** Where in its source the row's version is, as `add` was told. */
  place(row: number): number {
    return this.#places[row];
  }

  /**
   * Adds the slot's digest to `sums[at]` and `sums[at + 1]`: of every key whose newest version was written with this
   * `from` or a larger one, but not of what other engines may have purged already.
   */
  fold(sums: Uint32Array, at: number, minFrom: number, watermark: number): void {
    for (let row = 0; row < this.count; row++) {
      if (this.#froms[row] < minFrom || this.#isUncounted(row, watermark)) continue;
      addFold(sums, at, this.#highs[row], this.#lows[row], this.#timestamps[row], this.#writers[row]);
    }
  }

  /** The lowest watermark from which on the slot's digests are others than with this one; infinite: none. */
  nextPurge(watermark: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (let row = 0; row < this.count; row++) {
      const timestamp = this.#timestamps[row];
      const mayGo = isUncounted(this.#flags[row], timestamp, timestamp);
      if (mayGo && timestamp > watermark && timestamp < next) next = timestamp;
    }
    return next;
  }

  /** In the order of fingerprints, in memory of its own. */
  versions(): SlotVersions {
    const order = Uint32Array.from({ length: this.count }, (_, row) => row);
    const highs = this.#highs;
    const lows = this.#lows;
    order.sort((a, b) => highs[a] - highs[b] || lows[a] - lows[b]);
    const pick = <Column extends Uint32Array | Float64Array | Uint16Array | Uint8Array>(
      made: Column,
      from: Column,
    ): Column => {
      for (let at = 0; at < order.length; at++) made[at] = from[order[at]];
      return made;
    };
    const { count } = this;
    const flags = pick(new Uint8Array(count), this.#flags);
    for (let at = 0; at < count; at++) if (this.#sources[order[at]] === LOST_SOURCE) flags[at] &= ~PURGEABLE;
    return {
      count,
      fingerprintHighs: pick(new Uint32Array(count), highs),
      fingerprintLows: pick(new Uint32Array(count), lows),
      timestamps: pick(new Float64Array(count), this.#timestamps),
      writers: pick(new Uint32Array(count), this.#writers),
      froms: pick(new Uint16Array(count), this.#froms),
      flags,
    };
  }

  #isUncounted(row: number, watermark: number): boolean {
    if (this.#sources[row] === LOST_SOURCE) return false;
    return isUncounted(this.#flags[row], this.#timestamps[row], watermark);
  }

  #find(high: number, low: number): number {
    const mask = this.#table.length - 1;
    for (let index = (low ^ high) & mask; ; index = (index + 1) & mask) {
      const row = this.#table[index] - 1;
      if (row < 0 || (this.#lows[row] === low && this.#highs[row] === high)) return row;
    }
  }

  /** The free place for a fingerprint that has no row. */
  #slotFor(high: number, low: number): number {
    const mask = this.#table.length - 1;
    let index = (low ^ high) & mask;
    while (this.#table[index] !== 0) index = (index + 1) & mask;
    return index;
  }

  #removeRows(): void {
    const mask = this.#table.length - 1;
    for (let row = 0; row < this.count; row++) {
      let index = (this.#lows[row] ^ this.#highs[row]) & mask;
      // Over what is free already, too: each row is there.
      while (this.#table[index] !== row + 1) index = (index + 1) & mask;
      this.#table[index] = 0;
    }
  }

  #grow(): void {
    const room = this.#highs.length * 2;
    this.#highs = grown(this.#highs, new Uint32Array(room));
    this.#lows = grown(this.#lows, new Uint32Array(room));
    this.#timestamps = grown(this.#timestamps, new Float64Array(room));
    this.#writers = grown(this.#writers, new Uint32Array(room));
    this.#froms = grown(this.#froms, new Uint16Array(room));
    this.#flags = grown(this.#flags, new Uint8Array(room));
    this.#sources = grown(this.#sources, new Int32Array(room));
    this.#places = grown(this.#places, new Int32Array(room));
    this.#table = new Int32Array(room * 2);
    for (let row = 0; row < this.count; row++)
      this.#table[this.#slotFor(this.#highs[row], this.#lows[row])] = row + 1;
  }
}

function grown<Column extends { set(from: Column): void }>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}
