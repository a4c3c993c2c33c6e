import { HEAD_NODE, linkIndex, Word } from './arena-layout.ts';
import { NodeIterator } from './node-iterator.ts';

/** The newest entry below a limit of each key of a memtable that has a node below another limit, in key order. */
export class MemtableIterator extends NodeIterator {
  readonly #nodeLimit: number;
  #node = 0;

  /** @param nodeLimit at most `limit`; all nodes below it are in the skip list */
  constructor(words: Int32Array, bytes: Uint8Array, limit: number, nodeLimit: number) {
    super(words, bytes, limit);
    this.#nodeLimit = nodeLimit;
  }

  override seekToFirst(): void {
    this.#stopAt(this.#follow(HEAD_NODE, 0));
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    let node = HEAD_NODE;
    let next = 0;
    let notBelow = 0;
    for (let level = this.words[Word.height] - 1; level >= 0; level--) {
      next = this.#follow(node, level);
      while (next !== 0 && next !== notBelow && this.compareKey(next, key, start, end) < 0) {
        node = next;
        next = this.#follow(node, level);
      }
      notBelow = next;
    }
    this.#stopAt(next);
  }

  override next(): void {
    this.#stopAt(this.#follow(this.#node, 0));
  }

  #follow(node: number, level: number): number {
    return followLink(this.words, node, level, this.#nodeLimit);
  }

  /** Moves to the first node from `from` on that is below its limit: so its key has an entry below the other. */
  #stopAt(from: number): void {
    let node = from;
    while (node >= this.#nodeLimit) node = this.#follow(node, 0);
    this.#node = node;
    this.valid = node !== 0;
    if (node !== 0) this.show(node);
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
