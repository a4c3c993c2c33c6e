import { compareBytes } from '../format/bytes.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { ENTRY_HEADER_BYTES, NODE_HEADER_BYTES } from './arena-layout.ts';
import { ArrivalCursor } from './arrival-cursor.ts';
import { newestBelow } from './memtable-iterator.ts';
import { NodeOrder } from './node-order.ts';

/**
 * The newest entry below a limit of each key of a memtable that is not in its skip list yet, in key order or against it.
 * It runs in any thread while the writer goes on, links these keys or not: it follows no link, and sorts what it has found
 * for itself.
 */
export class UnlinkedIterator implements RecordIterator {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  readonly recordBytes: Uint8Array;
  recordStart = 0;
  recordEnd = 0;
  readonly #words: Int32Array;
  readonly #limit: number;
  readonly #isReverse: boolean;
  /** In key order, whichever way it goes. */
  readonly #nodes: Uint32Array;
  #at = 0;

  /** @param from where the first allocation is that may be of such a key */
  constructor(words: Int32Array, bytes: Uint8Array, from: number, limit: number, isReverse: boolean) {
    this.#words = words;
    this.keyBytes = bytes;
    this.recordBytes = bytes;
    this.#limit = limit;
    this.#isReverse = isReverse;
    const cursor = new ArrivalCursor(words, bytes);
    cursor.moveTo(from);
    const nodes: number[] = [];
    while (cursor.advance(limit)) if (cursor.isFirst) nodes.push(cursor.node);
    this.#nodes = Uint32Array.from(nodes);
    new NodeOrder(words, bytes, this.#nodes).sort();
  }

  seekToFirst(): void {
    this.#stopAt(this.#isReverse ? this.#nodes.length - 1 : 0);
  }

  seek(key: Uint8Array, start: number, end: number): void {
    const first = this.#countBelow(key, start, end);
    this.#stopAt(this.#isReverse ? first - 1 : first);
  }

  next(): void {
    this.#stopAt(this.#isReverse ? this.#at - 1 : this.#at + 1);
  }

  #countBelow(key: Uint8Array, start: number, end: number): number {
    let low = 0;
    let high = this.#nodes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const from = this.#nodes[middle] + NODE_HEADER_BYTES;
      const isBelow = compareBytes(this.keyBytes, from, this.#keyEnd(from), key, start, end) < 0;
      if (isBelow) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #stopAt(at: number): void {
    this.#at = at;
    this.valid = at >= 0 && at < this.#nodes.length;
    if (!this.valid) return;
    const node = this.#nodes[at];
    this.keyStart = node + NODE_HEADER_BYTES;
    this.keyEnd = this.#keyEnd(this.keyStart);
    const entry = newestBelow(this.#words, node, this.#limit);
    this.recordStart = entry + ENTRY_HEADER_BYTES;
    this.recordEnd = this.recordStart + this.#words[(entry >>> 2) + 1];
  }

  #keyEnd(keyStart: number): number {
    return keyStart + this.#words[((keyStart - NODE_HEADER_BYTES) >>> 2) + 1];
  }
}
