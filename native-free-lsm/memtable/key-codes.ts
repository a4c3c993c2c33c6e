import { NODE_HEADER_BYTES } from './arena-layout.ts';

/** How many bytes of a key are looked at for one code. */
const MOST_POSITIONS = 16;
/** As many positions are looked at together, before it is known whether they still fit into the code. */
const STRIDE = 4;
/** What may stand at a position: the end of the key, or any byte. */
const SYMBOLS = 257;
const END = 0;
/** From so many keys on it pays to find out which bytes occur. */
const MANY = 512;
/** How many bytes of a key go into a code otherwise, above its lowest byte. */
const CODE_BYTES = 3;
const MOST_CODES = 2 ** 32;

/**
 * Codes of 32 bits that have the order of keys: of each position the code has which of the bytes that stand there in
 * any key of the group it is, counted from the smallest. Where keys have digits alone there are ten of them, so a code
 * has nine digits and not four, and bytes that all keys have in the middle take no room. (Order-preserving dictionary
 * codes, of one byte each.)
 */
export class KeyCodes {
  /** The lowest so many bits have all there is in the codes that were made last. */
  bits = 0;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** By position and symbol: whether it occurs, then how many smaller ones do. */
  readonly #ranks = new Uint16Array(MOST_POSITIONS * SYMBOLS);
  /** By position, how many symbols occur. */
  readonly #sizes = new Uint16Array(MOST_POSITIONS);

  /**
   * @param words the arena
   * @param bytes the same memory
   */
  constructor(words: Int32Array, bytes: Uint8Array) {
    this.#words = words;
    this.#bytes = bytes;
  }

  /**
   * Makes the codes of a group of nodes: those of different keys that have the same one go on behind what it tells.
   * @param shared all keys have these bytes in common
   * @returns how many bytes keys with the same code have in common
   */
  make(nodes: Uint32Array, codes: Uint32Array, start: number, end: number, shared: number): number {
    const from = this.#commonBytes(nodes, start, end, shared);
    if (end - start < MANY) return this.#makeOfBytes(nodes, codes, start, end, from);
    let positions = 0;
    let count = 1;
    // With two symbols, the fewest that tell anything, there must be room for one more position.
    while (positions < MOST_POSITIONS && count * 2 <= MOST_CODES) {
      this.#findSymbols(nodes, start, end, from, positions);
      const fitting = positions + STRIDE;
      while (positions < fitting && count * this.#sizes[positions] <= MOST_CODES)
        count *= this.#sizes[positions++];
      if (positions < fitting) break;
    }
    this.bits = 32 - Math.clz32(count - 1);
    this.#codeAll(nodes, codes, start, end, from, positions);
    return from + positions;
  }

  /**
   * The next bytes of a key above each other, zeros behind its end; then how many of them there were, or one more if it
   * goes on. So a key comes before those that it begins, and two keys with the same code go on differently.
   */
  #makeOfBytes(nodes: Uint32Array, codes: Uint32Array, start: number, end: number, from: number): number {
    const bytes = this.#bytes;
    this.bits = 32;
    for (let at = start; at < end; at++) {
      const node = nodes[at];
      const key = node + NODE_HEADER_BYTES + from;
      const left = this.#words[(node >>> 2) + 1] - from;
      const first = left > 0 ? bytes[key] : 0;
      const second = left > 1 ? bytes[key + 1] : 0;
      const third = left > 2 ? bytes[key + 2] : 0;
      codes[at] = (first << 24) | (second << 16) | (third << 8) | Math.min(left, CODE_BYTES + 1);
    }
    return from + CODE_BYTES;
  }

  #codeAll(
    nodes: Uint32Array,
    codes: Uint32Array,
    start: number,
    end: number,
    from: number,
    positions: number,
  ): void {
    const bytes = this.#bytes;
    const ranks = this.#ranks;
    const sizes = this.#sizes;
    for (let at = start; at < end; at++) {
      const node = nodes[at];
      const key = node + NODE_HEADER_BYTES + from;
      const left = this.#words[(node >>> 2) + 1] - from;
      let code = 0;
      for (let position = 0; position < positions; position++) {
        const symbol = position < left ? bytes[key + position] + 1 : END;
        code = (Math.imul(code, sizes[position]) + ranks[position * SYMBOLS + symbol]) | 0;
      }
      codes[at] = code;
    }
  }

  /** Finds out which bytes occur at some positions, of which `first` is the first, and puts them in order. */
  #findSymbols(nodes: Uint32Array, start: number, end: number, from: number, first: number): void {
    const bytes = this.#bytes;
    const ranks = this.#ranks;
    ranks.fill(0, first * SYMBOLS, (first + STRIDE) * SYMBOLS);
    for (let at = start; at < end; at++) {
      const node = nodes[at];
      const key = node + NODE_HEADER_BYTES + from;
      const left = this.#words[(node >>> 2) + 1] - from;
      for (let position = first; position < first + STRIDE; position++)
        ranks[position * SYMBOLS + (position < left ? bytes[key + position] + 1 : END)] = 1;
    }
    for (let position = first; position < first + STRIDE; position++) {
      let rank = 0;
      for (let at = position * SYMBOLS; at < (position + 1) * SYMBOLS; at++) {
        const occurs = ranks[at];
        ranks[at] = rank;
        rank += occurs;
      }
      this.#sizes[position] = rank;
    }
  }

  /** How many bytes all keys of a group have in common, of which `shared` are known. */
  #commonBytes(nodes: Uint32Array, start: number, end: number, shared: number): number {
    const words = this.#words;
    const bytes = this.#bytes;
    const first = nodes[start];
    const firstKey = first + NODE_HEADER_BYTES;
    let common = words[(first >>> 2) + 1];
    for (let at = start + 1; at < end && common > shared; at++) {
      const node = nodes[at];
      const key = node + NODE_HEADER_BYTES;
      const most = Math.min(common, words[(node >>> 2) + 1]);
      let same = shared >>> 2;
      // Keys begin at whole words.
      while (same < most >>> 2 && words[(key >>> 2) + same] === words[(firstKey >>> 2) + same]) same++;
      same <<= 2;
      while (same < most && bytes[key + same] === bytes[firstKey + same]) same++;
      common = same;
    }
    return common;
  }
}
