import { compareBytes } from '../format/bytes.ts';
import { NODE_HEADER_BYTES } from './arena-layout.ts';
import { compareNodes, sharedBytes } from './compare-nodes.ts';
import { KeyCodes, KeyColumns } from './key-codes.ts';

/** Below it comparing is faster than making codes. */
const FEW = 24;
/** Below it codes are sorted by insertion: counting pays for its counters. */
const FEW_CODES = 64;
/** From so many on it pays to sort by more bits at a time, with more counters. */
const MANY_CODES = 4096;
const FEW_BITS = 8;
const MANY_BITS = 11;
const LEAST_NODES = 1024;
/** The memory in which more were sorted is not kept. */
const MAX_KEPT_NODES = 128 * 1024;

/**
 * What sorting needs for so many nodes. A thread uses it again: one that makes little other garbage collects it late, and
 * a flush after the other left megabytes.
 */
class SortMemory {
  readonly moved: Uint32Array<ArrayBuffer>;
  readonly codes: Uint32Array<ArrayBuffer>;
  readonly movedCodes: Uint32Array<ArrayBuffer>;
  readonly counts = new Uint32Array(1 << MANY_BITS);
  readonly columns: KeyColumns;

  constructor(nodes: number) {
    this.moved = new Uint32Array(nodes);
    this.codes = new Uint32Array(nodes);
    this.movedCodes = new Uint32Array(nodes);
    this.columns = new KeyColumns(nodes);
  }
}

/** Nothing else is sorted while a thread sorts. */
let kept: SortMemory | undefined;
/** Where nodes are gathered. Who begins to add them does nothing else until they are sorted. */
let keptNodes = new Uint32Array(LEAST_NODES);

function memoryFor(nodes: number): SortMemory {
  if (kept !== undefined && kept.codes.length >= nodes) return kept;
  if (nodes > MAX_KEPT_NODES) return new SortMemory(nodes);
  kept = new SortMemory(nodes);
  return kept;
}

const NO_WORDS = new Uint32Array(0);

/**
 * Sorts the key nodes of an arena by their keys. It puts several bytes of the keys into a code at a time and sorts by
 * counting their bits (a radix sort from the first byte on, with the common beginning of a group's keys passed over):
 * each byte of a key is looked at a few times, and no choice of keys makes it slower than that. Keys that come in order
 * are found so by one comparison each.
 */
export class NodeOrder {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  #nodes = keptNodes;
  #count = 0;
  /** Whether those that were added so far are in order, and how many bytes all have in common. */
  #isInOrder = true;
  #shared = 0;
  #codes = NO_WORDS;
  /** Where a pass puts what it moves. */
  #movedNodes = NO_WORDS;
  #movedCodes = NO_WORDS;
  #counts = NO_WORDS;
  /** Groups to be sorted, three numbers each: the first place, the place behind the last, and the bytes they share. */
  readonly #groups: number[] = [];

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /** Adds a key node; each has another key. */
  add(node: number): void {
    const words = this.#words;
    const count = this.#count;
    let nodes = this.#nodes;
    if (count === 0) this.#shared = words[(node >>> 2) + 1];
    else {
      if (this.#isInOrder) this.#isInOrder = compareNodes(words, this.#bytes, nodes[count - 1], node, 0) < 0;
      this.#shared = sharedBytes(words, this.#bytes, nodes[0], node, 0, this.#shared);
      if (count === nodes.length) {
        nodes = new Uint32Array(2 * count);
        nodes.set(this.#nodes);
        this.#nodes = nodes;
        if (nodes.length <= MAX_KEPT_NODES) keptNodes = nodes;
      }
    }
    nodes[count] = node;
    this.#count = count + 1;
  }

  /** All that were added, in the order of their keys. It is done once. */
  sorted(): Uint32Array {
    const count = this.#count;
    if (!this.#isInOrder) this.#sort();
    // A copy, so that no more is kept than what is there.
    return this.#nodes.slice(0, count);
  }

  #sort(): void {
    const count = this.#count;
    const memory = memoryFor(count);
    this.#movedNodes = memory.moved;
    this.#codes = memory.codes;
    this.#movedCodes = memory.movedCodes;
    this.#counts = memory.counts;
    const keyCodes = new KeyCodes(this.#words, this.#bytes, memory.columns);
    const groups = this.#groups;
    groups.push(0, count, this.#shared);
    // A stack of its own, because keys can make it deep.
    while (groups.length > 0) {
      const shared = groups.pop() as number;
      const end = groups.pop() as number;
      const start = groups.pop() as number;
      if (end - start < FEW) this.#sortFew(start, end, shared);
      else this.#split(keyCodes, start, end, this.#commonBytes(start, end, shared));
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

  /** How many bytes all keys of a group have in common, of which `shared` are known. */
  #commonBytes(start: number, end: number, shared: number): number {
    // Those of all keys are known.
    if (end - start === this.#count) return shared;
    const words = this.#words;
    const nodes = this.#nodes;
    const first = nodes[start];
    let common = words[(first >>> 2) + 1];
    for (let at = start + 1; at < end && common > shared; at++)
      common = sharedBytes(words, this.#bytes, first, nodes[at], shared, common);
    return common;
  }

  /** Sorts by the bytes that follow the shared ones, and leaves the groups that have the same ones to be sorted. */
  #split(keyCodes: KeyCodes, start: number, end: number, shared: number): void {
    const codes = this.#codes;
    const known = keyCodes.make(this.#nodes, codes, start, end, shared);
    this.#sortByCode(start, end, keyCodes.bits);
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
    counts.fill(0, 0, mask + 1);
    this.#countDigits(start, end, shift, mask);
    // Nothing would move.
    if (counts[(this.#codes[start] >>> shift) & mask] === end - start) return;
    let sum = start;
    for (let digit = 0; digit <= mask; digit++) {
      const count = counts[digit];
      counts[digit] = sum;
      sum += count;
    }
    this.#moveByDigit(start, end, shift, mask);
    this.#codes.set(this.#movedCodes.subarray(start, end), start);
    this.#nodes.set(this.#movedNodes.subarray(start, end), start);
  }

  // Each long loop is a function of its own: V8 compiles one while it runs without having seen what follows it.

  #countDigits(start: number, end: number, shift: number, mask: number): void {
    const counts = this.#counts;
    const codes = this.#codes;
    for (let at = start; at < end; at++) counts[(codes[at] >>> shift) & mask]++;
  }

  #moveByDigit(start: number, end: number, shift: number, mask: number): void {
    const counts = this.#counts;
    const codes = this.#codes;
    const nodes = this.#nodes;
    const movedCodes = this.#movedCodes;
    const movedNodes = this.#movedNodes;
    for (let at = start; at < end; at++) {
      const to = counts[(codes[at] >>> shift) & mask]++;
      movedCodes[to] = codes[at];
      movedNodes[to] = nodes[at];
    }
  }
}
