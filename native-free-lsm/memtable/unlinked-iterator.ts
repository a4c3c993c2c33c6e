import { ArrivalCursor } from './arrival-cursor.ts';
import { NodeIterator } from './node-iterator.ts';
import { NodeOrder } from './node-order.ts';

/**
 * The newest entry below a limit of each key of a memtable that is not in its skip list yet, in key order or against it.
 * It runs in any thread while the writer goes on, links these keys or not: it follows no link, and sorts what it has found
 * for itself.
 */
export class UnlinkedIterator extends NodeIterator {
  readonly #isReverse: boolean;
  /** In key order, whichever way it goes. */
  readonly #nodes: Uint32Array;
  #at = 0;

  /** @param from where the first allocation is that may be of such a key */
  constructor(words: Int32Array, bytes: Uint8Array, from: number, limit: number, isReverse: boolean) {
    super(words, bytes, limit);
    this.#isReverse = isReverse;
    const cursor = new ArrivalCursor(words, bytes);
    cursor.moveTo(from);
    const nodes: number[] = [];
    while (cursor.advance(limit)) if (cursor.isFirst) nodes.push(cursor.node);
    this.#nodes = Uint32Array.from(nodes);
    new NodeOrder(words, bytes, this.#nodes).sort();
  }

  override seekToFirst(): void {
    this.#stopAt(this.#isReverse ? this.#nodes.length - 1 : 0);
  }

  override seek(key: Uint8Array, start: number, end: number): void {
    const first = this.#countBelow(key, start, end);
    this.#stopAt(this.#isReverse ? first - 1 : first);
  }

  override next(): void {
    this.#stopAt(this.#isReverse ? this.#at - 1 : this.#at + 1);
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
