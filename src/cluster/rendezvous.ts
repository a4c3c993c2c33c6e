/**
 * Weighted rendezvous hashing (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998; the
 * weights after Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005). Every candidate has a random
 * number u in (0, 1) for the slot and scores -weight / ln u; the best score comes first. The number depends only on the
 * candidate's name, so the order of the others does not change when one comes or goes, and each is first in proportion
 * to its weight.
 */
import { draw, hashName, type NameHash } from './hash.ts';

export class Candidate {
  readonly #hash: NameHash;
  readonly #weight: number;
  readonly #weighted: boolean;

  /** @param weighted whether the weights of the candidates differ; where they do not, what is drawn is the score */
  constructor(name: string, weight: number, weighted: boolean) {
    this.#hash = hashName(name);
    this.#weight = weight;
    this.#weighted = weighted;
  }

  /** Means something only in comparison with the scores of other candidates in the same slot. */
  score(slot: number): number {
    const drawn = draw(this.#hash, slot);
    return this.#weighted ? -this.#weight / logOfFraction(drawn) : drawn;
  }
}

/** 2^0 to 2^33, made by multiplication: the result of `**` need not be exact. */
const POWERS = Float64Array.from({ length: 34 });
for (let power = 0, value = 1; power < POWERS.length; power++, value *= 2) POWERS[power] = value;

/**
 * ln((drawn + ½) / 2^32) of a 32-bit integer, computed with additions, multiplications and divisions alone. Those give
 * the same bits on every machine, while the last bit of Math.log may differ from one Node to the next, and two nodes
 * could then disagree on who holds a slot. It rises strictly with `drawn`, which is all that the order needs.
 */
export function logOfFraction(drawn: number): number {
  const odd = 2 * drawn + 1;
  /** The highest of the 33 bits of `odd`: divided by that power of two, it is in [1, 2). */
  const highest = drawn === 0 ? 0 : 32 - Math.clz32(drawn);
  const fraction = odd / POWERS[highest];
  // ln f = 2 artanh((f - 1) / (f + 1)), and the argument is below 1/3, so each term is a ninth of the one before.
  const argument = (fraction - 1) / (fraction + 1);
  const square = argument * argument;
  let sum = 0;
  for (let power = 31; power >= 1; power -= 2) sum = sum * square + 1 / power;
  return 2 * argument * sum + (highest - 33) * Math.LN2;
}
