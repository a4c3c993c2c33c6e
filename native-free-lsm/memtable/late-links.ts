import { ALLOCATION_HEADER_BYTES, linkIndex, Word } from './arena-layout.ts';
import { ArrivalCursor } from './arrival-cursor.ts';
import type { InsertPosition } from './insert-position.ts';
import { NodeOrder } from './node-order.ts';

/**
 * What the writer has not linked yet: all keys that were put from an offset on. It links many of them together, in the
 * order of their keys. One insert after the other would search the list for each key, which is most of what an insert
 * costs: its nodes lie anywhere in the arena, and are in no cache of the processor. In order each search begins where
 * the last one ended.
 */
export class LateLinks {
  /** Where the first allocation is that may be of a key without links; 0: all keys are linked. */
  from = 0;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #position: InsertPosition;
  /** How many entries lie before `from`, or a few fewer. */
  #entriesBefore = 0;

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array, position: InsertPosition) {
    this.#words = words;
    this.#bytes = bytes;
    this.#position = position;
  }

  reset(): void {
    this.from = 0;
  }

  /** The entry that is about to be counted is the first of a key without links. @param allocation where it begins */
  begin(allocation: number): void {
    this.from = allocation;
    this.#entriesBefore = this.#words[Word.entries];
  }

  /** How many entries there are from the first one on whose key is not in the list, at most. */
  get entries(): number {
    return this.from === 0 ? 0 : this.#words[Word.entries] - this.#entriesBefore;
  }

  /** Links the keys of so many entries at most, those that came first. */
  link(mostEntries: number): void {
    if (this.from === 0) return;
    const words = this.#words;
    const bytes = this.#bytes;
    const end = words[Word.used];
    const most = Math.min(this.entries, mostEntries);
    const order = new NodeOrder(words, bytes);
    const cursor = new ArrivalCursor(words, bytes);
    cursor.moveTo(this.from);
    const walked = this.#walk(cursor, order, end, most);
    this.#linkAll(order.sorted());
    // Range tombstones count as entries, and the cursor passes over them.
    const isAll = cursor.next >= end || walked < most;
    this.from = isAll ? 0 : cursor.next;
    this.#entriesBefore += walked;
    // Release: whoever sees that they are linked sees all their links.
    Atomics.store(words, Word.linked, isAll ? end : cursor.next);
  }

  /** Adds the nodes of so many entries to an order; returns how many there were. */
  #walk(cursor: ArrivalCursor, order: NodeOrder, end: number, most: number): number {
    let walked = 0;
    while (walked < most && cursor.advance(end)) {
      walked++;
      if (!cursor.isFirst) continue;
      const { allocation, node } = cursor;
      // How many links a node has says where it begins. That is noted in the first of them until the node is linked.
      this.#words[linkIndex(node, 0)] = (node - allocation - ALLOCATION_HEADER_BYTES) >>> 2;
      order.add(node);
    }
    return walked;
  }

  #linkAll(nodes: Uint32Array): void {
    const words = this.#words;
    const position = this.#position;
    for (let at = 0; at < nodes.length; at++) position.linkInOrder(nodes[at], words[linkIndex(nodes[at], 0)]);
  }
}
