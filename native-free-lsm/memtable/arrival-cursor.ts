import {
  ALLOCATION_HEADER_BYTES,
  aligned,
  allocationsStart,
  ENTRY_HEADER_BYTES,
  NODE_HEADER_BYTES,
} from './arena-layout.ts';
import { rangeEnd } from './memtable-ranges.ts';
import { newestBelow } from './node-iterator.ts';

/**
 * The entries of a memtable in the order in which they were inserted, without range tombstones: where a walk ends, a
 * later one goes on. It runs in any thread while the writer goes on, as what is published below a limit does not change.
 */
export class ArrivalCursor {
  readonly bytes: Uint8Array;
  /** Whether the entry is the first of its key. */
  isFirst = false;
  /** Where its allocation begins. */
  allocation = 0;
  /** The key's node. */
  node = 0;
  keyStart = 0;
  keyEnd = 0;
  recordStart = 0;
  /** Where the next entry begins. */
  next: number;
  readonly #words: Int32Array;

  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.bytes = bytes;
    this.next = allocationsStart(bytes.length);
  }

  /** Goes on at `next`, a value of an earlier walk. */
  moveTo(next: number): void {
    this.next = next;
  }

  /** @param limit a published offset; returns false at it */
  advance(limit: number): boolean {
    const words = this.#words;
    while (this.next < limit && words[this.next >>> 2] === 0) this.next = rangeEnd(words, this.next);
    if (this.next >= limit) return false;
    this.allocation = this.next;
    const header = words[this.next >>> 2];
    const start = this.next + ALLOCATION_HEADER_BYTES;
    this.isFirst = header < 0;
    this.node = this.isFirst ? start - 4 * header : header;
    this.keyStart = this.node + NODE_HEADER_BYTES;
    const keyLength = words[(this.node >>> 2) + 1];
    this.keyEnd = this.keyStart + keyLength;
    const entry = this.isFirst ? this.keyStart + aligned(keyLength) : start;
    this.recordStart = entry + ENTRY_HEADER_BYTES;
    this.next = this.recordStart + aligned(words[(entry >>> 2) + 1]);
    return true;
  }

  /** Where the newest record below `limit` of a node's key begins. */
  newestRecord(node: number, limit: number): number {
    return newestBelow(this.#words, node, limit) + ENTRY_HEADER_BYTES;
  }

  recordEnd(recordStart: number): number {
    return recordStart + this.#words[((recordStart - ENTRY_HEADER_BYTES) >>> 2) + 1];
  }

  keyStartOf(node: number): number {
    return node + NODE_HEADER_BYTES;
  }

  keyEndOf(node: number): number {
    return node + NODE_HEADER_BYTES + this.#words[(node >>> 2) + 1];
  }
}
