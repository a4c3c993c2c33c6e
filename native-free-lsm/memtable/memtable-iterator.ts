import { compareBytes } from '../format/bytes.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { ENTRY_HEADER_BYTES, HEAD_NODE, linkIndex, NODE_HEADER_BYTES, Word } from './arena-layout.ts';

/**
 * The newest entry below a limit of each key of a memtable that has a node below another limit, in key order. It runs in any thread while the writer goes
 * on; "Thread safety" in memtable.ts says why that is sound. Keys and records are those in the arena and not copies, so
 * they are valid until the arena is reset.
 */
export class MemtableIterator implements RecordIterator {
  valid = false;
  readonly keyBytes: Uint8Array;
  keyStart = 0;
  keyEnd = 0;
  readonly recordBytes: Uint8Array;
  recordStart = 0;
  recordEnd = 0;
  readonly #words: Int32Array;
  readonly #limit: number;
  readonly #nodeLimit: number;
  #node = 0;

  /** @param nodeLimit at most `limit`; all nodes below it are in the skip list */
  constructor(words: Int32Array, bytes: Uint8Array, limit: number, nodeLimit: number) {
    this.#words = words;
    this.keyBytes = bytes;
    this.recordBytes = bytes;
    this.#limit = limit;
    this.#nodeLimit = nodeLimit;
  }

  seekToFirst(): void {
    this.#stopAt(this.#follow(HEAD_NODE, 0));
  }

  seek(key: Uint8Array, start: number, end: number): void {
    let node = HEAD_NODE;
    let next = 0;
    let notBelow = 0;
    for (let level = this.#words[Word.height] - 1; level >= 0; level--) {
      next = this.#follow(node, level);
      while (next !== 0 && next !== notBelow && this.#compareKey(next, key, start, end) < 0) {
        node = next;
        next = this.#follow(node, level);
      }
      notBelow = next;
    }
    this.#stopAt(next);
  }

  next(): void {
    this.#stopAt(this.#follow(this.#node, 0));
  }

  #follow(node: number, level: number): number {
    return followLink(this.#words, node, level, this.#nodeLimit);
  }

  #compareKey(node: number, key: Uint8Array, start: number, end: number): number {
    const from = node + NODE_HEADER_BYTES;
    return compareBytes(this.keyBytes, from, from + this.#words[(node >>> 2) + 1], key, start, end);
  }

  /** Moves to the first node from `from` on that is below its limit: so its key has an entry below the other. */
  #stopAt(from: number): void {
    const words = this.#words;
    let node = from;
    while (node >= this.#nodeLimit) node = this.#follow(node, 0);
    this.#node = node;
    this.valid = node !== 0;
    if (node === 0) return;
    this.keyStart = node + NODE_HEADER_BYTES;
    this.keyEnd = this.keyStart + words[(node >>> 2) + 1];
    const entry = newestBelow(words, node, this.#limit);
    this.recordStart = entry + ENTRY_HEADER_BYTES;
    this.recordEnd = this.recordStart + words[(entry >>> 2) + 1];
  }
}

/**
 * The next node at a level; 0 behind the last. Nodes at or above the limit are followed like all others, so that a
 * search takes few steps however many it has to skip.
 * @param nodeLimit all nodes below it were linked before it was loaded
 */
export function followLink(words: Int32Array, node: number, level: number, nodeLimit: number): number {
  const at = linkIndex(node, level);
  const next = words[at];
  if (next < nodeLimit) return next;
  // Acquire: what the writer stored in a node not yet covered by our limit, it stored before this link.
  return Atomics.load(words, at);
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
