import { NODE_HEADER_BYTES } from './arena-layout.ts';

/** From so many keys on it pays to find out which bytes occur. */
const MANY = 512;
/** How many bytes of a key go into a code otherwise, above its lowest byte. */
const CODE_BYTES = 3;
/** How many bytes of each of many keys are looked at. */
const POSITIONS = 8;
/** What may stand at a position: the end of the key, or any byte. */
const SYMBOLS = 257;
const END = 0;
const MOST_CODES = 2 ** 32;

/** Where what is looked at of keys is copied to. */
export class KeyColumns {
  readonly first: Uint32Array;
  readonly second: Uint32Array;
  readonly lengths: Uint8Array;

  /** @param most how many keys there are, at most */
  constructor(most: number) {
    const copied = most < MANY ? 0 : most;
    this.first = new Uint32Array(copied);
    this.second = new Uint32Array(copied);
    this.lengths = new Uint8Array(copied);
  }
}

/**
 * Codes of 32 bits that have the order of keys. Where there are many keys, the code has of each position which of the
 * bytes that stand there in any of them it is, counted from the smallest: of digits there are ten, so that eight fit in
 * where four whole bytes would. (An order-preserving dictionary for each byte.) The bytes that are looked at are copied
 * out of the arena first, as its lines do not all stay in a cache of the processor.
 */
export class KeyCodes {
  /** The lowest so many bits have all there is in the codes that were made last. */
  bits = 0;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** The first four of the bytes that are looked at, and those behind them; zeros behind a key's end. */
  readonly #first: Uint32Array;
  readonly #second: Uint32Array;
  /** How many of them each key has. */
  readonly #lengths: Uint8Array;
  /** By symbol, whether it occurs at a position, then how many smaller ones do. */
  readonly #ranks = new Uint16Array(SYMBOLS);

  /**
   * @param words the arena
   * @param bytes the same memory
   * @param columns for as many keys as there are, at most
   */
  constructor(words: Int32Array, bytes: Uint8Array, { first, second, lengths }: KeyColumns) {
    this.#words = words;
    this.#bytes = bytes;
    this.#first = first;
    this.#second = second;
    this.#lengths = lengths;
  }

  /**
   * Makes the codes of a group of nodes: those of different keys that have the same one go on behind what it tells.
   * @param shared all keys have these bytes in common
   * @returns how many bytes keys with the same code have in common
   */
  make(nodes: Uint32Array, codes: Uint32Array, start: number, end: number, shared: number): number {
    if (end - start < MANY) return this.#makeOfBytes(nodes, codes, start, end, shared);
    const least = this.#copy(nodes, start, end, shared);
    codes.fill(0, start, end);
    let count = 1;
    let position = 0;
    for (; position < POSITIONS; position++) {
      const size = this.#rank(position, end - start, position >= least);
      if (count * size > MOST_CODES) break;
      count *= size;
      // A byte that all have says nothing.
      if (size > 1) this.#add(codes, start, end, position, size, position >= least);
    }
    this.bits = 32 - Math.clz32(count - 1);
    return shared + position;
  }

  /**
   * The next bytes of a key above each other, zeros behind its end; then how many of them there were, or one more if it
   * goes on. So a key comes before those that it begins, and two keys with the same code go on differently.
   */
  #makeOfBytes(nodes: Uint32Array, codes: Uint32Array, start: number, end: number, shared: number): number {
    this.bits = 32;
    for (let at = start; at < end; at++) {
      const node = nodes[at];
      const left = this.#words[(node >>> 2) + 1] - shared;
      const key = node + NODE_HEADER_BYTES + shared;
      codes[at] = this.#word(key, Math.min(left, CODE_BYTES)) | Math.min(left, CODE_BYTES + 1);
    }
    return shared + CODE_BYTES;
  }

  /** Returns how many bytes the shortest key has there. */
  #copy(nodes: Uint32Array, start: number, end: number, shared: number): number {
    const words = this.#words;
    let least = POSITIONS;
    for (let at = start; at < end; at++) {
      const node = nodes[at];
      const key = node + NODE_HEADER_BYTES + shared;
      const length = Math.min(words[(node >>> 2) + 1] - shared, POSITIONS);
      if (length < least) least = length;
      this.#lengths[at - start] = length;
      this.#first[at - start] = this.#word(key, length);
      this.#second[at - start] = this.#word(key + 4, length - 4);
    }
    return least;
  }

  /** The next four bytes, the first the highest, or as many as there are. */
  #word(at: number, length: number): number {
    const bytes = this.#bytes;
    if (length >= 4) return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    const first = length > 0 ? bytes[at] : 0;
    const second = length > 1 ? bytes[at + 1] : 0;
    const third = length > 2 ? bytes[at + 2] : 0;
    return (first << 24) | (second << 16) | (third << 8);
  }

  /** Puts the symbols that occur at a position in order, and returns how many there are. @param hasEnds of keys */
  #rank(position: number, count: number, hasEnds: boolean): number {
    const ranks = this.#ranks;
    ranks.fill(0);
    this.#mark(position, count, hasEnds);
    let rank = 0;
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      const occurs = ranks[symbol];
      ranks[symbol] = rank;
      rank += occurs;
    }
    return rank;
  }

  // Each long loop is a function of its own: see NodeOrder.

  #mark(position: number, count: number, hasEnds: boolean): void {
    const ranks = this.#ranks;
    const column = position < 4 ? this.#first : this.#second;
    const shift = 24 - 8 * (position & 3);
    const lengths = this.#lengths;
    for (let at = 0; at < count; at++) {
      const isEnd = hasEnds && position >= lengths[at];
      ranks[isEnd ? END : ((column[at] >>> shift) & 0xff) + 1] = 1;
    }
  }

  #add(
    codes: Uint32Array,
    start: number,
    end: number,
    position: number,
    size: number,
    hasEnds: boolean,
  ): void {
    const ranks = this.#ranks;
    const column = position < 4 ? this.#first : this.#second;
    const shift = 24 - 8 * (position & 3);
    const lengths = this.#lengths;
    for (let at = start; at < end; at++) {
      const from = at - start;
      const isEnd = hasEnds && position >= lengths[from];
      const rank = ranks[isEnd ? END : ((column[from] >>> shift) & 0xff) + 1];
      codes[at] = (Math.imul(codes[at], size) + rank) | 0;
    }
  }
}
