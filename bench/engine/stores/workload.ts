/** Keys and values as db_bench makes them: 16 digits, and 100 bytes of which a half can be compressed away. Pure. */
import { seededRandom } from '../../../src/clock.ts';
import { VALUE_BYTES } from './store.ts';

export const KEY_BYTES = 16;
export const ENTRY_BYTES = KEY_BYTES + VALUE_BYTES;
const POOL_BYTES = 1024 * 1024;
const ZERO = '0'.charCodeAt(0);
const DOT = '.'.charCodeAt(0);
const ROUNDS = 4;

/** The key with this number, in memory of its own. */
export function keyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES);
  writeDigits(key, number);
  return key;
}

/** A key that is not there and sorts between those that are. */
export function missingKeyOf(number: number): Buffer {
  const key = Buffer.allocUnsafe(KEY_BYTES + 1);
  writeDigits(key, number);
  key[KEY_BYTES] = DOT;
  return key;
}

function writeDigits(key: Buffer, number: number): void {
  let rest = number;
  for (let at = KEY_BYTES - 1; at >= 0; at--) {
    const higher = Math.floor(rest / 10);
    key[at] = ZERO + rest - higher * 10;
    rest = higher;
  }
}

/** Values are pieces of a pool, so that making them costs nothing: 50 random bytes, twice. */
export class Values {
  readonly #pool = Buffer.allocUnsafe(POOL_BYTES);
  #at = 0;

  constructor(seed: number) {
    const random = seededRandom(seed);
    const half = VALUE_BYTES / 2;
    for (let at = 0; at < POOL_BYTES; at++) {
      const within = at % VALUE_BYTES;
      this.#pool[at] = within < half ? Math.floor(random() * 256) : this.#pool[at - half];
    }
  }

  next(): Buffer {
    if (this.#at + VALUE_BYTES > POOL_BYTES) this.#at = 0;
    const value = this.#pool.subarray(this.#at, this.#at + VALUE_BYTES);
    this.#at += VALUE_BYTES;
    return value;
  }
}

/** The seed of an order that has a name, so that orders with other names are others, and each run has its own. */
export function orderSeed(seed: number, name: string): number {
  // FNV-1a, which is enough to tell names apart; the network that takes the seed mixes it.
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

/** Every number below a bound, once, in an order without a pattern, from little memory: a Feistel network. */
export class Shuffle {
  readonly #count: number;
  readonly #halfBits: number;
  readonly #seed: number;

  constructor(count: number, seed: number) {
    this.#count = count;
    this.#halfBits = Math.max(1, Math.ceil(Math.log2(count) / 2));
    this.#seed = seed;
  }

  /** The number at a place. */
  at(place: number): number {
    // The network permutes a power of four: what falls beyond the bound goes through it again, until it does not.
    let number = place;
    do number = this.#permute(number);
    while (number >= this.#count);
    return number;
  }

  #permute(number: number): number {
    const mask = 2 ** this.#halfBits - 1;
    let left = Math.floor(number / 2 ** this.#halfBits);
    let right = number & mask;
    for (let round = 0; round < ROUNDS; round++) {
      let mixed = Math.imul(right ^ (this.#seed + round), 0x9e3779b1);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
      mixed ^= mixed >>> 13;
      const next = (left ^ mixed) & mask;
      left = right;
      right = next;
    }
    return left * 2 ** this.#halfBits + right;
  }
}
