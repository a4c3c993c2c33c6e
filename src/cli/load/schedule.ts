/**
 * When requests of an open loop are due. A timer does not fire between two milliseconds, so requests are due at whole
 * ones, as many at each as the rate asks for: what a request is late then is the generator's lateness or the wait for
 * a free connection, and nothing else. Pure.
 */
export class Schedule {
  readonly #perMs: number;
  readonly #total: number;
  #taken = 0;

  /** @param durationMs nothing is due at its end or later */
  constructor(ratePerSecond: number, durationMs: number) {
    this.#perMs = ratePerSecond / 1_000;
    this.#total = Math.floor(this.#perMs * durationMs);
  }

  /** Requests in all. */
  get total(): number {
    return this.#total;
  }

  get taken(): number {
    return this.#taken;
  }

  /** How many more are due by now, `elapsedMs` after the start. */
  due(elapsedMs: number): number {
    const due = Math.min(this.#total, Math.floor((Math.floor(elapsedMs) + 1) * this.#perMs));
    return Math.max(due - this.#taken, 0);
  }

  /** Takes the next one. @returns when it was due, ms after the start, a whole number */
  take(): number {
    const index = this.#taken++;
    return Math.max(Math.ceil((index + 1) / this.#perMs) - 1, 0);
  }
}
