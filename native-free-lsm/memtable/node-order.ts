import { compareBytes } from '../format/bytes.ts';
import { NODE_HEADER_BYTES } from './arena-layout.ts';
import { KeyCodes } from './key-codes.ts';

/** Below it comparing is faster than making codes. */
const FEW = 24;
/** Below it codes are sorted by insertion: counting pays for its counters. */
const FEW_CODES = 128;
/** From so many on it pays to sort by more bits at a time, with more counters. */
const MANY_CODES = 4096;
const FEW_BITS = 8;
const MANY_BITS = 11;

/**
 * Sorts the key nodes of an arena by their keys. It puts several bytes of the keys into a code at a time and sorts by
 * counting their bits (a radix sort from the first byte on, with the common beginning of a group's keys passed over):
 * each byte of a key is looked at a few times, and no choice of keys makes it slower than that.
 */
export class NodeOrder {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #keyCodes: KeyCodes;
  readonly #nodes: Uint32Array;
  readonly #codes: Uint32Array;
  /** Where a pass puts what it moves. */
  readonly #movedNodes: Uint32Array;
  readonly #movedCodes: Uint32Array;
  readonly #counts = new Uint32Array(1 << MANY_BITS);
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
    this.#keyCodes = new KeyCodes(words, bytes);
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
      else this.#split(start, end, shared);
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
    const words = this.#words;
    const bytes = this.#bytes;
    const aStart = a + NODE_HEADER_BYTES;
    const bStart = b + NODE_HEADER_BYTES;
    const aEnd = aStart + words[(a >>> 2) + 1];
    const bEnd = bStart + words[(b >>> 2) + 1];
    return compareBytes(bytes, aStart + shared, aEnd, bytes, bStart + shared, bEnd);
  }

  /** Sorts by the bytes that follow the shared ones, and leaves the groups that have the same ones to be sorted. */
  #split(start: number, end: number, shared: number): void {
    const codes = this.#codes;
    const known = this.#keyCodes.make(this.#nodes, codes, start, end, shared);
    this.#sortByCode(start, end, this.#keyCodes.bits);
    let first = start;
    for (let at = start + 1; at <= end; at++) {
      if (at < end && codes[at] === codes[first]) continue;
      // Keys that end within the code are alone with theirs.
      if (at - first > 1) this.#groups.push(first, at, known);
      first = at;
    }
  }

  #sortByCode(start: number, end: number, bits: number): void {
    const count = end - start;
    if (count < FEW_CODES) {
      this.#sortFewCodes(start, end);
      return;
    }
    const most = count < MANY_CODES ? FEW_BITS : MANY_BITS;
    const passes = Math.ceil(bits / most);
    const digitBits = Math.ceil(bits / passes);
    for (let pass = 0; pass < passes; pass++) this.#sortByDigit(start, end, pass * digitBits, digitBits);
  }

  /** By insertion. */
  #sortFewCodes(start: number, end: number): void {
    const codes = this.#codes;
    const nodes = this.#nodes;
    for (let next = start + 1; next < end; next++) {
      const code = codes[next];
      if (codes[next - 1] <= code) continue;
      const node = nodes[next];
      let at = next;
      while (at > start && codes[at - 1] > code) {
        codes[at] = codes[at - 1];
        nodes[at] = nodes[at - 1];
        at--;
      }
      codes[at] = code;
      nodes[at] = node;
    }
  }

  /** Stable, so that it sorts by all digits when it is called for one after the other, the lowest first. */
  #sortByDigit(start: number, end: number, shift: number, bits: number): void {
    const mask = (1 << bits) - 1;
    const counts = this.#counts;
    const codes = this.#codes;
    const nodes = this.#nodes;
    const movedCodes = this.#movedCodes;
    const movedNodes = this.#movedNodes;
    counts.fill(0, 0, mask + 1);
    for (let at = start; at < end; at++) counts[(codes[at] >>> shift) & mask]++;
    // Nothing would move.
    if (counts[(codes[start] >>> shift) & mask] === end - start) return;
    let sum = start;
    for (let digit = 0; digit <= mask; digit++) {
      const count = counts[digit];
      counts[digit] = sum;
      sum += count;
    }
    for (let at = start; at < end; at++) {
      const to = counts[(codes[at] >>> shift) & mask]++;
      movedCodes[to] = codes[at];
      movedNodes[to] = nodes[at];
    }
    codes.set(movedCodes.subarray(start, end), start);
    nodes.set(movedNodes.subarray(start, end), start);
  }
}
