/**
 * Which key a request is about. Keys are numbered from 0; inserts add to them. Pure.
 *
 * The zipfian choice is that of YCSB: the quick method of Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases" (SIGMOD 1994), with the constant 0.99, and its popular keys scattered over all of them by a hash.
 *
 * Like YCSB, a load asks for no key before the insert that makes it was acknowledged. Each thread asks for what it has
 * inserted itself, and not for what the others have.
 */
import type { Random } from '../../clock.ts';

export const KEY_CHOICES = ['uniform', 'zipfian', 'latest', 'sequential'] as const;
export type KeyChoiceName = (typeof KEY_CHOICES)[number];

export interface KeyChoice {
  /** The number of a key that is there already, if the load was prepared. */
  next(): number;
}

/** The keys that one thread of a load may ask for. No two threads insert the same key. */
export class LoadKeys {
  readonly #first: number;
  readonly #thread: number;
  readonly #threads: number;
  #begun = 0;
  /** Numbers of keys whose insert was acknowledged, in the order of that. */
  readonly #inserted: number[] = [];

  /** @param first how many there are to begin with */
  constructor(first: number, thread = 0, threads = 1) {
    this.#first = first;
    this.#thread = thread;
    this.#threads = threads;
  }

  get count(): number {
    return this.#first + this.#inserted.length;
  }

  /** @param index from 0, the newest last @returns the key's number */
  at(index: number): number {
    return index < this.#first ? index : this.#inserted[index - this.#first];
  }

  /** @returns the number of a new key, which counts once it is acknowledged */
  insert(): number {
    return this.#first + this.#begun++ * this.#threads + this.#thread;
  }

  acknowledge(key: number): void {
    this.#inserted.push(key);
  }
}

export function createKeyChoice(
  name: KeyChoiceName,
  keys: LoadKeys,
  random: Random,
  firstKey = 0,
  step = 1,
): KeyChoice {
  switch (name) {
    case 'uniform':
      return { next: () => keys.at(Math.floor(random() * keys.count)) };
    case 'zipfian': {
      const ranks = new ZipfianRanks(keys.count, random);
      return {
        next: () => {
          ranks.growTo(keys.count);
          return keys.at(scatter(ranks.next(), keys.count));
        },
      };
    }
    case 'latest': {
      const ranks = new ZipfianRanks(keys.count, random);
      return {
        next: () => {
          ranks.growTo(keys.count);
          return keys.at(keys.count - 1 - ranks.next());
        },
      };
    }
    case 'sequential': {
      let at = firstKey - step;
      return {
        next: () => {
          at += step;
          if (at >= keys.count) at = firstKey;
          return keys.at(at);
        },
      };
    }
  }
}

const THETA = 0.99;

/** Ranks from 0, the most popular, to `count` - 1. */
export class ZipfianRanks {
  readonly #random: Random;
  readonly #zeta2: number;
  #count: number;
  #zetaN: number;
  #eta = 0;

  constructor(count: number, random: Random) {
    this.#random = random;
    this.#count = count;
    this.#zeta2 = zeta(0, 2, 0);
    this.#zetaN = zeta(0, count, 0);
    this.#setEta();
  }

  /** There are more: what was summed is not summed again. */
  growTo(count: number): void {
    if (count <= this.#count) return;
    this.#zetaN = zeta(this.#count, count, this.#zetaN);
    this.#count = count;
    this.#setEta();
  }

  next(): number {
    const fraction = this.#random();
    const scaled = fraction * this.#zetaN;
    if (scaled < 1) return 0;
    if (scaled < 1 + 0.5 ** THETA) return Math.min(1, this.#count - 1);
    const rank = Math.floor(this.#count * (this.#eta * fraction - this.#eta + 1) ** (1 / (1 - THETA)));
    return Math.min(rank, this.#count - 1);
  }

  #setEta(): void {
    this.#eta = (1 - (2 / this.#count) ** (1 - THETA)) / (1 - this.#zeta2 / this.#zetaN);
  }
}

function zeta(from: number, to: number, sum: number): number {
  let total = sum;
  for (let i = from; i < to; i++) total += 1 / (i + 1) ** THETA;
  return total;
}

/**
 * The popular keys lie anywhere among the others. They stay popular when keys are added: only as many ranks go over to
 * a new key as it gets of all, by the jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash
 * Algorithm", 2014), over FNV-1a of the rank's bytes.
 */
function scatter(rank: number, count: number): number {
  let hash = 0x811c9dc5;
  for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((rank >>> shift) & 0xff), 0x01000193);
  let place = 0;
  for (let next = 0; next < count; ) {
    place = next;
    hash = Math.imul(hash, 1_664_525) + 1_013_904_223;
    next = Math.floor(((place + 1) * 2 ** 32) / ((hash >>> 0) + 1));
  }
  return place;
}
