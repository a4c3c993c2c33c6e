import { compareBytes } from '../format/bytes.ts';
import { HEAD_NODE, linkIndex, MAX_HEIGHT, NODE_HEADER_BYTES, Word } from './arena-layout.ts';

/**
 * Where in the skip list the writer links a new key: the last node before it, by level. The place of the key before is
 * kept: a key that belongs directly behind that one, as each does where keys ascend, is placed with one comparison or two
 * instead of a search (LevelDB's successors call it an insert hint). Only the writer's thread has one.
 */
export class InsertPosition {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** At levels that no node has, the head. */
  readonly #before = new Int32Array(MAX_HEIGHT).fill(HEAD_NODE);
  /** The node that was linked last, if nothing was linked elsewhere since; 0: there is none. */
  #last = 0;

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /** What was linked last is not known any more. */
  forget(): void {
    this.#last = 0;
    this.#before.fill(HEAD_NODE);
  }

  /** Links a node whose key, `key[start, end)`, is not in the list, at as many levels as it has links. */
  link(node: number, height: number, key: Uint8Array, start: number, end: number): void {
    const words = this.#words;
    const before = this.#before;
    if (!this.#isBehindLast(key, start, end)) this.#find(key, start, end);
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

  /** Whether the key belongs directly behind the node that was linked last. */
  #isBehindLast(key: Uint8Array, start: number, end: number): boolean {
    const last = this.#last;
    if (last === 0 || this.#compare(last, key, start, end) > 0) return false;
    const next = this.#words[linkIndex(last, 0)];
    return next === 0 || this.#compare(next, key, start, end) > 0;
  }

  /** Finds the last node before a key, at each level in use. */
  #find(key: Uint8Array, start: number, end: number): void {
    const words = this.#words;
    let node = HEAD_NODE;
    let above = 0;
    for (let level = words[Word.height] - 1; level >= 0; level--) {
      let next = words[linkIndex(node, level)];
      // `above` was compared one level higher.
      while (next !== 0 && next !== above) {
        if (this.#compare(next, key, start, end) > 0) break;
        node = next;
        next = words[linkIndex(node, level)];
      }
      above = next;
      this.#before[level] = node;
    }
  }

  #compare(node: number, key: Uint8Array, start: number, end: number): number {
    const from = node + NODE_HEADER_BYTES;
    return compareBytes(this.#bytes, from, from + this.#words[(node >>> 2) + 1], key, start, end);
  }
}
