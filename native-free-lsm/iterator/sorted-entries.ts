import { compareBytes } from '../format/bytes.ts';
import { readUint32 } from '../format/integers.ts';
import { compareRecordVersions } from '../format/record.ts';
import { PAGE_ENTRY_HEADER_BYTES } from './page.ts';
import type { RecordIterator } from './record-iterator.ts';

/** As many bytes of a key as a float64 holds exactly: most comparisons need no others. */
const PREFIX_BYTES = 6;

/**
 * Walks packed entries (see page.ts) that lie in any order: in order of keys, each key once in its newest version, and
 * of equal versions the one that lies last. Beside the entries it takes 12 bytes for each of them.
 */
export class SortedEntries implements RecordIterator {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  readonly recordBytes: Uint8Array;
  recordStart = 0;
  recordEnd = 0;
  /** Where entries begin, by their order. */
  readonly #order: Uint32Array;
  #next = 0;

  constructor(bytes: Uint8Array) {
    this.keyBytes = bytes;
    this.recordBytes = bytes;
    this.#order = inOrder(bytes);
  }

  seekToFirst(): void {
    this.#next = 0;
    this.valid = true;
    this.next();
  }

  seek(key: Uint8Array, start: number, end: number): void {
    this.seekToFirst();
    while (this.valid && compareBytes(this.keyBytes, this.keyStart, this.keyEnd, key, start, end) < 0)
      this.next();
  }

  next(): void {
    this.valid = this.#next < this.#order.length;
    if (!this.valid) return;
    const at = this.#order[this.#next++];
    this.keyStart = at + PAGE_ENTRY_HEADER_BYTES;
    this.keyEnd = this.keyStart + readUint32(this.keyBytes, at);
    this.recordStart = this.keyEnd;
    this.recordEnd = this.keyEnd + readUint32(this.keyBytes, at + 4);
    while (this.#next < this.#order.length && compareKeysAt(this.keyBytes, at, this.#order[this.#next]) === 0)
      this.#next++;
  }
}

function inOrder(bytes: Uint8Array): Uint32Array {
  const starts: number[] = [];
  let isSorted = true;
  for (let at = 0; at < bytes.length; at = entryEnd(bytes, at)) {
    if (isSorted && starts.length > 0) isSorted = compareKeysAt(bytes, starts[starts.length - 1], at) < 0;
    starts.push(at);
  }
  if (isSorted) return Uint32Array.from(starts);
  const prefixes = Float64Array.from(starts, (at) => prefixOf(bytes, at));
  const order = Uint32Array.from(starts.keys());
  order.sort((a, b) => {
    if (prefixes[a] !== prefixes[b]) return prefixes[a] < prefixes[b] ? -1 : 1;
    return compareKeysAt(bytes, starts[a], starts[b]) || compareAge(bytes, starts[b], starts[a]) || b - a;
  });
  return order.map((index) => starts[index]);
}

function entryEnd(bytes: Uint8Array, at: number): number {
  return at + PAGE_ENTRY_HEADER_BYTES + readUint32(bytes, at) + readUint32(bytes, at + 4);
}

/** A key that is shorter than the prefix counts as if it had zeros behind it: equal prefixes say nothing. */
function prefixOf(bytes: Uint8Array, at: number): number {
  const start = at + PAGE_ENTRY_HEADER_BYTES;
  const length = readUint32(bytes, at);
  let prefix = 0;
  for (let i = 0; i < PREFIX_BYTES; i++) prefix = prefix * 256 + (i < length ? bytes[start + i] : 0);
  return prefix;
}

function compareKeysAt(bytes: Uint8Array, a: number, b: number): number {
  const aKey = a + PAGE_ENTRY_HEADER_BYTES;
  const bKey = b + PAGE_ENTRY_HEADER_BYTES;
  return compareBytes(bytes, aKey, aKey + readUint32(bytes, a), bytes, bKey, bKey + readUint32(bytes, b));
}

function compareAge(bytes: Uint8Array, a: number, b: number): number {
  return compareRecordVersions(bytes, recordAt(bytes, a), bytes, recordAt(bytes, b));
}

function recordAt(bytes: Uint8Array, at: number): number {
  return at + PAGE_ENTRY_HEADER_BYTES + readUint32(bytes, at);
}
