import { HEAD_NODE, linkIndex, MAX_HEIGHT, Word } from './arena-layout.ts';
import { compareNodes } from './compare-nodes.ts';

/**
 * Where in the skip list the writer links a new key: the last node before it, by level. The place of the key before is
 * kept, as where many keys come together or keys ascend the next one belongs near it: one comparison or two, or some
 * steps up and down from there, take the place of a search from the top (a finger search; RocksDB calls the same an
 * insert hint). Only the writer's thread has one.
 */
export class InsertPosition {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** At levels that no node has, the head. */
  readonly #before = new Int32Array(MAX_HEIGHT).fill(HEAD_NODE);
  /** The node that was linked last; 0: there is none. */
  #last = 0;

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /** Begins anew, with an empty list. */
  reset(): void {
    this.#last = 0;
    this.#before.fill(HEAD_NODE);
  }

  /** Links a node whose key is not in the list, at as many levels as it has links. */
  link(node: number, height: number): void {
    if (!this.#isNext(node)) this.#find(node);
    this.#link(node, height);
  }

  /** As `link`, if the node belongs behind the last one, and all others: to know that takes one comparison. */
  linkAtEnd(node: number, height: number): boolean {
    const last = this.#last === 0 ? HEAD_NODE : this.#last;
    if (this.#words[linkIndex(last, 0)] !== 0) return false;
    if (last !== HEAD_NODE && this.#compare(last, node) > 0) return false;
    this.#link(node, height);
    return true;
  }

  /** As `link`, for one of several nodes that are linked in the order of their keys, and come in between each other. */
  linkInOrder(node: number, height: number): void {
    if (this.#last === 0 || this.#compare(this.#last, node) > 0) this.#find(node);
    else this.#findBehindLast(node);
    this.#link(node, height);
  }

  #link(node: number, height: number): void {
    const words = this.#words;
    const before = this.#before;
    for (let level = 0; level < height; level++) {
      words[linkIndex(node, level)] = words[linkIndex(before[level], level)];
    }
    for (let level = 0; level < height; level++) {
      // Release: the node, its links and its entry are whole before a reader can follow a link to it.
      Atomics.store(words, linkIndex(before[level], level), node);
      before[level] = node;
    }
    this.#last = node;
  }

  /** Whether the node belongs directly behind the one that was linked last. */
  #isNext(node: number): boolean {
    const last = this.#last;
    if (last === 0 || this.#compare(last, node) > 0) return false;
    const next = this.#words[linkIndex(last, 0)];
    return next === 0 || this.#compare(next, node) > 0;
  }

  /** Finds the last node before this one, at each level in use. */
  #find(node: number): void {
    this.#descend(node, HEAD_NODE, this.#words[Word.height], 0);
  }

  /** The same for a node that is behind the one that was linked last. */
  #findBehindLast(node: number): void {
    const words = this.#words;
    const before = this.#before;
    const height = words[Word.height];
    let level = 0;
    let start = 0;
    let above = 0;
    // From the first level on at which nothing lies in between, that is so at all above.
    for (; level < height; level++) {
      above = words[linkIndex(before[level], level)];
      if (above === 0 || this.#compare(above, node) > 0) break;
      start = above;
    }
    if (level > 0) this.#descend(node, start, level, level === height ? 0 : above);
  }

  /**
   * @param start a node before it, or the head, that has a link at all levels below `levels`
   * @param above a node that is known to be behind it; 0: none is
   */
  #descend(node: number, start: number, levels: number, above: number): void {
    const words = this.#words;
    let at = start;
    let behind = above;
    for (let level = levels - 1; level >= 0; level--) {
      let next = words[linkIndex(at, level)];
      // `behind` was compared one level higher.
      while (next !== 0 && next !== behind) {
        if (this.#compare(next, node) > 0) break;
        at = next;
        next = words[linkIndex(at, level)];
      }
      behind = next;
      this.#before[level] = at;
    }
  }

  #compare(a: number, b: number): number {
    return compareNodes(this.#words, this.#bytes, a, b, 0);
  }
}
