import type { Random } from './clock.ts';

/**
 * The wait before the next attempt. It doubles each time up to a bound, and each wait is random within its upper half,
 * so that those who failed together do not all try again at once. Pure, except for its Random.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  #nextMs: number;

  constructor(minMs: number, maxMs: number, random: Random) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#random = random;
    this.#nextMs = minMs;
  }

  nextMs(): number {
    const boundMs = this.#nextMs;
    this.#nextMs = Math.min(boundMs * 2, this.#maxMs);
    return (boundMs * (1 + this.#random())) / 2;
  }

  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
