/** What a double holds exactly. */
const CODE_BYTES = 6;
const THREE_BYTES = 0x100_0000;
/** So many codes stand in two neighbouring lines of the processor's cache. */
const GROUP = 16;
/** No code is 0, as of memory that nobody has touched the system has none yet. */
const NOT_MADE = 0;

/** A byte of a key of the index, by its ordinal and where it stands; 0 behind the key's end. */
type KeyByte = (ordinal: number, at: number) => number;

/**
 * Numbers in the order of an index's keys: six bytes of each, behind what all have in common, as a number plus 1. They
 * stand closer together than the entries and keys themselves, and one of each sixteen once more with the others of
 * these: a search that would wait for memory at each of its last steps waits once. Codes are made when a search first
 * comes to them, as a table may have many and few be looked for.
 */
export class IndexCodes {
  /** Where the last search has left off: the first entry at or above the key is one of `[first, next]`. */
  first = 0;
  next = 0;
  readonly #entries: number;
  /** All keys have so many leading bytes in common. */
  readonly #commonBytes: number;
  readonly #keyByte: KeyByte;
  readonly #codes: Float64Array;
  /** Of the first entry of each group. */
  readonly #firsts: Float64Array;

  constructor(entries: number, commonBytes: number, keyByte: KeyByte) {
    this.#entries = entries;
    this.#commonBytes = commonBytes;
    this.#keyByte = keyByte;
    this.#codes = new Float64Array(entries);
    this.#firsts = new Float64Array(Math.ceil(entries / GROUP));
    for (let group = 0; group < this.#firsts.length; group++)
      this.#firsts[group] = this.#codeOf(group * GROUP);
  }

  /** Sets `first` and `next` for `key[start, end)`, which is above the first key and begins with what all have in common. */
  search(key: Uint8Array, start: number, end: number): void {
    const at = start + this.#commonBytes;
    const code = threeBytes(key, at, end) * THREE_BYTES + threeBytes(key, at + 3, end) + 1;
    const firsts = this.#firsts;
    const groups = firstNotBelow(firsts, 0, firsts.length, code);
    const group = groups === 0 ? 0 : groups - 1;
    const groupStart = group * GROUP;
    const groupEnd = Math.min(this.#entries, groupStart + GROUP);
    const codes = this.#codes;
    if (codes[groupStart] === NOT_MADE) this.#make(groupStart, groupEnd);
    const first = firstNotBelow(codes, groupStart, groupEnd, code);
    this.first = first;
    // A key with a smaller code is smaller, one with a larger code larger. One with the same may be either.
    const isSame = first < groupEnd ? codes[first] === code : firsts[group + 1] === code;
    this.next = isSame
      ? Math.min(this.#entries, firstNotBelow(firsts, 0, firsts.length, code + 1) * GROUP)
      : first;
  }

  #make(start: number, end: number): void {
    for (let ordinal = start; ordinal < end; ordinal++) this.#codes[ordinal] = this.#codeOf(ordinal);
  }

  #codeOf(ordinal: number): number {
    const from = this.#commonBytes;
    let code = 0;
    for (let at = from; at < from + CODE_BYTES; at++) code = code * 256 + this.#keyByte(ordinal, at);
    return code + 1;
  }
}

/** Zeros behind the end. */
function threeBytes(key: Uint8Array, at: number, end: number): number {
  if (at + 3 <= end) return (key[at] << 16) | (key[at + 1] << 8) | key[at + 2];
  return at >= end ? 0 : (key[at] << 16) | (at + 1 < end ? key[at + 1] << 8 : 0);
}

/** The first of `codes[start, end)`, which ascend, that is not below a code. */
function firstNotBelow(codes: Float64Array, start: number, end: number, code: number): number {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (codes[middle] < code) low = middle + 1;
    else high = middle;
  }
  return low;
}
