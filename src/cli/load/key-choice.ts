/**
 * Which key a request is about. Keys are numbered from 0; `insert` adds one behind the last. Pure.
 *
 * The zipfian choice is that of YCSB: the quick method of Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases" (SIGMOD 1994), with the constant 0.99, and its popular keys scattered over all of them by a hash.
 */
import type { Random } from '../../clock.ts';

export const KEY_CHOICES = ['uniform', 'zipfian', 'latest', 'sequential'] as const;
export type KeyChoiceName = (typeof KEY_CHOICES)[number];

export interface KeyChoice {
  /** The number of a key that is there already, if the load was prepared. */
  next(): number;
}

/** How many keys there are: it grows with inserts. Each thread of a load has its own, and no two make the same key. */
export class KeyCount {
  readonly #first: number;
  readonly #thread: number;
  readonly #threads: number;
  #inserted = 0;

  /** @param first how many there are to begin with */
  constructor(first: number, thread = 0, threads = 1) {
    this.#first = first;
    this.#thread = thread;
    this.#threads = threads;
  }

  /** As many as there are if the other threads are as far as this one. */
  get value(): number {
    return this.#first + this.#inserted * this.#threads;
  }

  /** @returns the number of the new key */
  insert(): number {
    return this.#first + this.#inserted++ * this.#threads + this.#thread;
  }
}

export function createKeyChoice(
  name: KeyChoiceName,
  keys: KeyCount,
  random: Random,
  firstKey = 0,
  step = 1,
): KeyChoice {
  switch (name) {
    case 'uniform':
      return { next: () => Math.floor(random() * keys.value) };
    case 'zipfian': {
      const ranks = new ZipfianRanks(keys.value, random);
      return { next: () => scatter(ranks.next(), keys.value) };
    }
    case 'latest': {
      const ranks = new ZipfianRanks(keys.value, random);
      return {
        next: () => {
          ranks.growTo(keys.value);
          return keys.value - 1 - ranks.next();
        },
      };
    }
    case 'sequential': {
      let at = firstKey - step;
      return {
        next: () => {
          at += step;
          if (at >= keys.value) at = firstKey;
          return at;
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

/** The popular keys lie anywhere among the others: FNV-1a over the rank's bytes. */
function scatter(rank: number, count: number): number {
  let hash = 0x811c9dc5;
  for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((rank >>> shift) & 0xff), 0x01000193);
  return (hash >>> 0) % count;
}
