import { NodeIterator } from './node-iterator.ts';

/** So many nodes are loaded together, and of each so many cache lines: key, links and a record of a hundred bytes. */
const AHEAD_NODES = 16;
const AHEAD_WORDS = 48;
const LINE_WORDS = 16;

/**
 * The newest entry below a limit of each key of an `ArrivalOrder`, in key order or against it. It runs in any thread
 * while the writer goes on, links these keys or not: it follows no link.
 *
 * The nodes lie anywhere in the arena, so that each step would wait for memory. Now and then it loads the next sixteen,
 * none of which has to wait for another: the processor has them fetched at the same time. (Group
 * prefetching: Chen, Ailamaki, Gibbons and Mowry, "Improving hash join performance through prefetching", 2004.)
 */
export class UnlinkedIterator extends NodeIterator {
  readonly #isReverse: boolean;
  /** In key order, whichever way it goes. */
  readonly #nodes: Uint32Array;
  #at = 0;
  /** Up to where nodes were loaded, in its direction. */
  #loadedTo = 0;
  /** What was loaded, so that the loads are not left out. */
  #loaded = 0;

  constructor(words: Int32Array, bytes: Uint8Array, nodes: Uint32Array, limit: number, isReverse: boolean) {
    super(words, bytes, limit);
    this.#isReverse = isReverse;
    this.#nodes = nodes;
  }

  override seekToFirst(): void {
    this.#begin(this.#isReverse ? this.#nodes.length - 1 : 0);
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    const first = this.#countBelow(key, start, end);
    this.#begin(this.#isReverse ? first - 1 : first);
  }

  override next(): void {
    if (this.#isReverse) this.#stopAt(this.#at - 1);
    else {
      const at = this.#at + 1;
      if (at === this.#loadedTo) this.#loadAhead(at);
      this.#stopAt(at);
    }
  }

  #begin(at: number): void {
    // A seek is mostly for few entries.
    this.#loadedTo = at + AHEAD_NODES;
    this.#stopAt(at);
  }

  #loadAhead(from: number): void {
    const { words } = this;
    const nodes = this.#nodes;
    const to = Math.min(from + AHEAD_NODES, nodes.length);
    const lastWord = words.length - 1;
    let loaded = 0;
    for (let at = from; at < to; at++) {
      const first = nodes[at] >>> 2;
      const end = Math.min(first + AHEAD_WORDS, lastWord);
      for (let word = first; word < end; word += LINE_WORDS) loaded ^= words[word];
    }
    this.#loaded ^= loaded;
    this.#loadedTo = to;
  }

  #countBelow(key: Uint8Array, start: number, end: number): number {
    let low = 0;
    let high = this.#nodes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compareKey(this.#nodes[middle], key, start, end) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #stopAt(at: number): void {
    this.#at = at;
    this.valid = at >= 0 && at < this.#nodes.length;
    if (this.valid) this.show(this.#nodes[at]);
  }
}
