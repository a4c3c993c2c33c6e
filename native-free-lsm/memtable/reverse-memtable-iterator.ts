import { HEAD_NODE, NODE_HEADER_BYTES, Word } from './arena-layout.ts';
import { followLink } from './memtable-iterator.ts';
import { NodeIterator } from './node-iterator.ts';

/**
 * A walk back looks for the nodes before a key from the last node of at least this level: some 16 nodes lie between two
 * of these, so that one search serves 16 steps.
 */
const STRETCH_LEVEL = 2;
const NO_KEY = new Uint8Array(0);

/**
 * The newest entry below a limit of each key of a memtable that has a node below another limit, from the last key to the
 * first. It is sound for the reasons that MemtableIterator is. Nodes have no links back, so a stretch of nodes is found
 * by a search for its beginning, and walked forward once.
 */
export class ReverseMemtableIterator extends NodeIterator {
  readonly #nodeLimit: number;
  /** Nodes below their limit that come next, the first of them last. */
  readonly #stretch: number[] = [];
  /** The node before which the search goes on; `HEAD_NODE`: there is none. */
  #stretchStart = HEAD_NODE;

  /** @param nodeLimit as for MemtableIterator */
  constructor(words: Int32Array, bytes: Uint8Array, limit: number, nodeLimit: number) {
    super(words, bytes, limit);
    this.#nodeLimit = nodeLimit;
  }

  override seekToFirst(): void {
    this.#collect(false, NO_KEY, 0, 0);
    this.#take();
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    this.#collect(true, key, start, end);
    this.#take();
  }

  override next(): void {
    this.#take();
  }

  /** Collects a stretch of nodes that ends before a key, or before the end of the list. */
  #collect(hasKey: boolean, key: Uint8Array, start: number, end: number): void {
    const words = this.words;
    let node = HEAD_NODE;
    for (let level = words[Word.height] - 1; level >= STRETCH_LEVEL; level--) {
      let next = this.#follow(node, level);
      while (next !== 0 && (!hasKey || this.compareKey(next, key, start, end) < 0)) {
        node = next;
        next = this.#follow(node, level);
      }
    }
    this.#stretchStart = node;
    const stretch = this.#stretch;
    stretch.length = 0;
    if (node === HEAD_NODE) node = this.#follow(node, 0);
    while (node !== 0 && (!hasKey || this.compareKey(node, key, start, end) < 0)) {
      if (node < this.#nodeLimit) stretch.push(node);
      node = this.#follow(node, 0);
    }
  }

  /** Moves to the next node of the stretch, or of one before it. */
  #take(): void {
    const words = this.words;
    let node = this.#stretch.pop();
    while (node === undefined && this.#stretchStart !== HEAD_NODE) {
      const before = this.#stretchStart + NODE_HEADER_BYTES;
      this.#collect(true, this.keyBytes, before, before + words[(this.#stretchStart >>> 2) + 1]);
      node = this.#stretch.pop();
    }
    this.valid = node !== undefined;
    if (node !== undefined) this.show(node);
  }

  #follow(node: number, level: number): number {
    return followLink(this.words, node, level, this.#nodeLimit);
  }
}
