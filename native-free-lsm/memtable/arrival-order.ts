import { ArrivalCursor } from './arrival-cursor.ts';
import { NodeOrder } from './node-order.ts';

/**
 * The key nodes of a stretch of a memtable's arena in the order of their keys, without a look at any link. The order
 * that was found last is kept, with four bytes for each key: a scan of many pages would sort the same keys for each of
 * them. Each thread has its own.
 */
export class ArrivalOrder {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #nodes: Uint32Array | null = null;
  #generation = 0;
  #from = 0;
  #limit = 0;

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /**
   * The nodes between two boundaries of allocations.
   * @param limit a published offset of the memtable of that generation
   */
  nodes(generation: number, from: number, limit: number): Uint32Array {
    const kept = this.#nodes;
    const isWithin = generation === this.#generation && this.#from <= from && limit <= this.#limit;
    if (kept !== null && isWithin) {
      // It is long since less was wanted, as a rule because the rest was linked meanwhile.
      if (this.#from === from && this.#limit === limit) return kept;
      return kept.filter((node) => node >= from && node < limit);
    }
    this.#generation = generation;
    this.#from = from;
    this.#limit = limit;
    this.#nodes = this.#sorted(from, limit);
    return this.#nodes;
  }

  /** Gives the memory back, if any is kept. */
  forget(): void {
    this.#nodes = null;
  }

  #sorted(from: number, limit: number): Uint32Array {
    const words = this.#words;
    const bytes = this.#bytes;
    const cursor = new ArrivalCursor(words, bytes);
    cursor.moveTo(from);
    const order = new NodeOrder(words, bytes);
    addAll(order, cursor, limit);
    return order.sorted();
  }
}

/** A function of its own: see NodeOrder. */
function addAll(order: NodeOrder, cursor: ArrivalCursor, limit: number): void {
  while (cursor.advance(limit)) if (cursor.isFirst) order.add(cursor.node);
}
