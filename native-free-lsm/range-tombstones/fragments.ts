import { compareBytes } from '../format/bytes.ts';

/** A deletion of all keys from `start` to before `end`, null: to the last key. It hides what has a smaller timestamp. */
export interface RangeTombstone {
  readonly start: Uint8Array;
  readonly end: Uint8Array | null;
  readonly timestamp: number;
}

/** More at once could exceed the arguments that a call may have. */
const MAX_SPLICED = 1000;

/**
 * Range tombstones as sorted pieces that do not overlap, each with the newest timestamp of those that cover it: what
 * hides a key is found by one binary search, however many deletions were made (after RocksDB's
 * `FragmentedRangeTombstoneList`, which Pebble has as `keyspan`). Older timestamps of a piece are not kept, as whoever
 * reads the past reads other fragments. Neighbours that could be one piece are one. Pure.
 *
 * Keys are kept as they are given, and must not change.
 */
export class RangeFragments {
  /** For each piece, in key order. */
  #starts: Uint8Array[] = [];
  #ends: (Uint8Array | null)[] = [];
  #timestamps: number[] = [];

  /** The pieces of several lists together: of where they overlap, the newest. */
  static merged(lists: readonly RangeFragments[]): RangeFragments {
    const sources = lists.filter(({ count }) => count > 0);
    if (sources.length < 2) return sources[0] ?? new RangeFragments();
    const bounds: Uint8Array[] = [];
    for (const list of sources) {
      for (const start of list.#starts) bounds.push(start);
      for (const end of list.#ends) if (end !== null) bounds.push(end);
    }
    bounds.sort(compareKeys);
    const merged = new RangeFragments();
    const at = new Int32Array(sources.length);
    for (let i = 0; i < bounds.length; i++) {
      const start = bounds[i];
      if (i + 1 < bounds.length && compareKeys(start, bounds[i + 1]) === 0) continue;
      let timestamp = 0;
      for (let source = 0; source < sources.length; source++) {
        const list = sources[source];
        while (at[source] < list.count && endsAtOrBelow(list.#ends[at[source]], start)) at[source]++;
        const piece = at[source];
        if (piece < list.count && compareKeys(list.#starts[piece], start) <= 0)
          timestamp = Math.max(timestamp, list.#timestamps[piece]);
      }
      if (timestamp > 0) merged.#append(start, bounds[i + 1] ?? null, timestamp);
    }
    return merged;
  }

  get count(): number {
    return this.#starts.length;
  }

  start(index: number): Uint8Array {
    return this.#starts[index];
  }

  /** Exclusive; null: there is none. */
  end(index: number): Uint8Array | null {
    return this.#ends[index];
  }

  timestamp(index: number): number {
    return this.#timestamps[index];
  }

  *[Symbol.iterator](): Generator<RangeTombstone, void, void> {
    for (let i = 0; i < this.count; i++)
      yield { start: this.#starts[i], end: this.#ends[i], timestamp: this.#timestamps[i] };
  }

  /** The newest timestamp that hides the key; 0: none does. */
  coverOf(key: Uint8Array, start: number, end: number): number {
    const index = this.firstEndingAbove(key, start, end);
    if (index === this.count) return 0;
    const first = this.#starts[index];
    return compareBytes(first, 0, first.length, key, start, end) <= 0 ? this.#timestamps[index] : 0;
  }

  /** The first piece that ends above the key: it has the key, or lies behind it. `count` when there is none. */
  firstEndingAbove(key: Uint8Array, start: number, end: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const bound = this.#ends[middle];
      if (bound !== null && compareBytes(bound, 0, bound.length, key, start, end) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Adds a range tombstone; one of no key changes nothing. It costs a binary search and a piece for each that it splits. */
  add(start: Uint8Array, end: Uint8Array | null, timestamp: number): void {
    if (endsAtOrBelow(end, start)) return;
    const first = this.firstEndingAbove(start, 0, start.length);
    const pieces = new RangeFragments();
    let at: Uint8Array | null = start;
    let index = first;
    for (; index < this.count && startsBelow(this.#starts[index], end); index++) {
      const [from, to, old] = [this.#starts[index], this.#ends[index], this.#timestamps[index]];
      if (compareKeys(from, start) < 0) pieces.#append(from, start, old);
      else if (compareKeys(at as Uint8Array, from) < 0) pieces.#append(at as Uint8Array, from, timestamp);
      const inner = compareKeys(from, start) < 0 ? start : from;
      const innerEnd = endsBehind(to, end) ? end : to;
      pieces.#append(inner, innerEnd, Math.max(old, timestamp));
      if (end !== null && endsBehind(to, end)) pieces.#append(end, to, old);
      at = innerEnd;
    }
    if (at !== null && !endsAtOrBelow(end, at)) pieces.#append(at, end, timestamp);
    this.#replace(first, index, pieces);
  }

  /** Adds a piece behind all others. Returns false, and adds nothing, when it would not be the next one. */
  extend(start: Uint8Array, end: Uint8Array | null, timestamp: number): boolean {
    const last = this.count - 1;
    const isBehind = last < 0 || endsAtOrBelow(this.#ends[last], start);
    if (!isBehind || endsAtOrBelow(end, start) || timestamp === 0) return false;
    this.#append(start, end, timestamp);
    return true;
  }

  /** The part of all pieces that lies below a key. */
  below(key: Uint8Array): RangeFragments {
    const part = new RangeFragments();
    for (let i = 0; i < this.count && compareKeys(this.#starts[i], key) < 0; i++)
      part.#append(
        this.#starts[i],
        endsBehind(this.#ends[i], key) ? key : this.#ends[i],
        this.#timestamps[i],
      );
    return part;
  }

  /** The part of all pieces that lies at or above a key. */
  from(key: Uint8Array): RangeFragments {
    const part = new RangeFragments();
    for (let i = this.firstEndingAbove(key, 0, key.length); i < this.count; i++) {
      const start = this.#starts[i];
      part.#append(compareKeys(start, key) < 0 ? key : start, this.#ends[i], this.#timestamps[i]);
    }
    return part;
  }

  /** The pieces that are at least as new as a timestamp. */
  since(timestamp: number): RangeFragments {
    const part = new RangeFragments();
    for (const piece of this)
      if (piece.timestamp >= timestamp) part.#append(piece.start, piece.end, piece.timestamp);
    return part;
  }

  /** Adds a piece behind the last, as a part of it where it can be. */
  #append(start: Uint8Array, end: Uint8Array | null, timestamp: number): void {
    const last = this.count - 1;
    const lastEnd = last < 0 ? null : this.#ends[last];
    if (lastEnd !== null && this.#timestamps[last] === timestamp && compareKeys(lastEnd, start) === 0) {
      this.#ends[last] = end;
      return;
    }
    this.#starts.push(start);
    this.#ends.push(end);
    this.#timestamps.push(timestamp);
  }

  /** Puts pieces in the place of those from `first` to before `behind`, joined with their new neighbours. */
  #replace(first: number, behind: number, pieces: RangeFragments): void {
    let from = first;
    let to = behind;
    const joined = new RangeFragments();
    if (from > 0) joined.#take(this, --from);
    for (let i = 0; i < pieces.count; i++) joined.#take(pieces, i);
    if (to < this.count) joined.#take(this, to++);
    this.#starts = replaced(this.#starts, from, to, joined.#starts);
    this.#ends = replaced(this.#ends, from, to, joined.#ends);
    this.#timestamps = replaced(this.#timestamps, from, to, joined.#timestamps);
  }

  #take(other: RangeFragments, index: number): void {
    this.#append(other.#starts[index], other.#ends[index], other.#timestamps[index]);
  }
}

/** Few items are put in place; so many that they would be too many arguments go into a new array. */
function replaced<Item>(array: Item[], from: number, to: number, items: readonly Item[]): Item[] {
  if (items.length > MAX_SPLICED) return [...array.slice(0, from), ...items, ...array.slice(to)];
  array.splice(from, to - from, ...items);
  return array;
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

function endsAtOrBelow(end: Uint8Array | null, key: Uint8Array): boolean {
  return end !== null && compareKeys(end, key) <= 0;
}

function startsBelow(start: Uint8Array, end: Uint8Array | null): boolean {
  return end === null || compareKeys(start, end) < 0;
}

/** Whether the first end lies behind the second. */
function endsBehind(end: Uint8Array | null, other: Uint8Array | null): boolean {
  if (other === null) return false;
  return end === null || compareKeys(end, other) > 0;
}
