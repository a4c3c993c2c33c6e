import { compareBytes } from '../format/bytes.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { ENTRY_HEADER_BYTES, NODE_HEADER_BYTES } from './arena-layout.ts';

/**
 * Goes from node to node of a memtable, and shows of each key its newest entry below a limit. It runs in any thread while
 * the writer goes on; "Thread safety" in memtable.ts says why that is sound. Keys and records are those in the arena and
 * not copies, so they are valid until the arena is reset.
 */
export abstract class NodeIterator implements RecordIterator {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  readonly recordBytes: Uint8Array;
  recordStart = 0;
  recordEnd = 0;
  protected readonly words: Int32Array;
  readonly #limit: number;

  constructor(words: Int32Array, bytes: Uint8Array, limit: number) {
    this.words = words;
    this.keyBytes = bytes;
    this.recordBytes = bytes;
    this.#limit = limit;
  }

  abstract seekToFirst(): void;
  abstract seek(key: Uint8Array, start: number, end: number): void;
  abstract next(): void;

  /** Stands at a node below the limit. */
  protected show(node: number): void {
    const { words } = this;
    this.keyStart = node + NODE_HEADER_BYTES;
    this.keyEnd = this.keyStart + words[(node >>> 2) + 1];
    const entry = newestBelow(words, node, this.#limit);
    this.recordStart = entry + ENTRY_HEADER_BYTES;
    this.recordEnd = this.recordStart + words[(entry >>> 2) + 1];
  }

  protected compareKey(node: number, key: Uint8Array, start: number, end: number): number {
    const from = node + NODE_HEADER_BYTES;
    return compareBytes(this.keyBytes, from, from + this.words[(node >>> 2) + 1], key, start, end);
  }
}

/**
 * The newest entry below `limit` of a key whose node is below it. There always is one, because it is allocated with the
 * node.
 */
export function newestBelow(words: Int32Array, node: number, limit: number): number {
  let entry = words[node >>> 2];
  if (entry < limit) return entry;
  // Acquire: an entry at or above the limit, and all older ones, were stored before this link to it.
  entry = Atomics.load(words, node >>> 2);
  while (entry >= limit) entry = words[entry >>> 2];
  return entry;
}
