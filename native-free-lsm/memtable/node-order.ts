import { compareBytes } from '../format/bytes.ts';
import { NODE_HEADER_BYTES } from './arena-layout.ts';

/** Below it comparing is faster than counting. */
const FEW = 24;
/** How many bytes of a key go into a code, above its lowest byte. */
const CODE_BYTES = 3;
const DIGIT_BITS = 8;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Sorts the key nodes of an arena by their keys. It takes several bytes of the keys at a time and sorts by counting
 * them (a radix sort from the first byte on, with the common beginning of a group's keys passed over): each byte of a
 * key is looked at about once, and no choice of keys makes it slower than that.
 */
export class NodeOrder {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #nodes: Uint32Array;
  readonly #codes: Uint32Array;
  /** Where a pass puts what it moves. */
  readonly #movedNodes: Uint32Array;
  readonly #movedCodes: Uint32Array;
  readonly #counts = new Uint32Array(DIGITS);
  /** Groups to be sorted, three numbers each: the first place, the place behind the last, and the bytes they share. */
  readonly #groups: number[] = [];

  /**
   * @param words the arena
   * @param bytes the same memory
   * @param nodes offsets of key nodes, of different keys; sorted in place
   */
  constructor(words: Int32Array, bytes: Uint8Array, nodes: Uint32Array) {
    this.#words = words;
    this.#bytes = bytes;
    this.#nodes = nodes;
    this.#movedNodes = new Uint32Array(nodes.length);
    this.#codes = new Uint32Array(nodes.length);
    this.#movedCodes = new Uint32Array(nodes.length);
  }

  sort(): void {
    const groups = this.#groups;
    groups.push(0, this.#nodes.length, 0);
    // A stack of its own, because keys can make it deep.
    while (groups.length > 0) {
      const shared = groups.pop() as number;
      const end = groups.pop() as number;
      const start = groups.pop() as number;
      if (end - start < FEW) this.#sortFew(start, end, shared);
      else this.#split(start, end, this.#commonBytes(start, end, shared));
    }
  }

  /** By insertion. */
  #sortFew(start: number, end: number, shared: number): void {
    const nodes = this.#nodes;
    for (let next = start + 1; next < end; next++) {
      const node = nodes[next];
      let at = next;
      while (at > start && this.#compare(nodes[at - 1], node, shared) > 0) {
        nodes[at] = nodes[at - 1];
        at--;
      }
      nodes[at] = node;
    }
  }

  #compare(a: number, b: number, shared: number): number {
    const aStart = a + NODE_HEADER_BYTES;
    const bStart = b + NODE_HEADER_BYTES;
    const bytes = this.#bytes;
    return compareBytes(
      bytes,
      aStart + shared,
      aStart + this.#keyLength(a),
      bytes,
      bStart + shared,
      bStart + this.#keyLength(b),
    );
  }

  /** Sorts by the bytes that follow the shared ones, and leaves the groups that have the same ones to be sorted. */
  #split(start: number, end: number, shared: number): void {
    const nodes = this.#nodes;
    const codes = this.#codes;
    for (let at = start; at < end; at++) codes[at] = this.#codeOf(nodes[at], shared);
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) this.#sortByDigit(start, end, shift);
    let first = start;
    for (let at = start + 1; at <= end; at++) {
      if (at < end && codes[at] === codes[first]) continue;
      // Keys that end within the code are alone with theirs.
      if (at - first > 1) this.#groups.push(first, at, shared + CODE_BYTES);
      first = at;
    }
  }

  /**
   * The next bytes of a key above each other, zeros behind its end; then how many of them there were, or one more if it
   * goes on. So a key comes before those that it begins, and two keys with the same code go on differently.
   */
  #codeOf(node: number, shared: number): number {
    const bytes = this.#bytes;
    const at = node + NODE_HEADER_BYTES + shared;
    const left = this.#keyLength(node) - shared;
    const first = left > 0 ? bytes[at] : 0;
    const second = left > 1 ? bytes[at + 1] : 0;
    const third = left > 2 ? bytes[at + 2] : 0;
    return ((first << 24) | (second << 16) | (third << 8) | Math.min(left, CODE_BYTES + 1)) >>> 0;
  }

  /** Stable, so that it sorts by all digits when it is called for one after the other, the lowest first. */
  #sortByDigit(start: number, end: number, shift: number): void {
    const counts = this.#counts;
    const codes = this.#codes;
    const nodes = this.#nodes;
    const movedCodes = this.#movedCodes;
    const movedNodes = this.#movedNodes;
    counts.fill(0);
    for (let at = start; at < end; at++) counts[(codes[at] >>> shift) & (DIGITS - 1)]++;
    // Nothing would move.
    if (counts[(codes[start] >>> shift) & (DIGITS - 1)] === end - start) return;
    let sum = start;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = counts[digit];
      counts[digit] = sum;
      sum += count;
    }
    for (let at = start; at < end; at++) {
      const to = counts[(codes[at] >>> shift) & (DIGITS - 1)]++;
      movedCodes[to] = codes[at];
      movedNodes[to] = nodes[at];
    }
    codes.set(movedCodes.subarray(start, end), start);
    nodes.set(movedNodes.subarray(start, end), start);
  }

  /** How many bytes all keys of a group have in common, of which `shared` are known. */
  #commonBytes(start: number, end: number, shared: number): number {
    const bytes = this.#bytes;
    const first = this.#nodes[start];
    const firstKey = first + NODE_HEADER_BYTES;
    let common = this.#keyLength(first);
    for (let at = start + 1; at < end && common > shared; at++) {
      const node = this.#nodes[at];
      const key = node + NODE_HEADER_BYTES;
      const most = Math.min(common, this.#keyLength(node));
      let same = shared;
      while (same < most && bytes[key + same] === bytes[firstKey + same]) same++;
      common = same;
    }
    return common;
  }

  #keyLength(node: number): number {
    return this.#words[(node >>> 2) + 1];
  }
}
