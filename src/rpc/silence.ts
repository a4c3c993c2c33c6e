/**
 * Measures how long a connection has been silent, in ticks. It counts ticks and not time, because a process that was
 * itself stopped for a while must not conclude that its peers were: it misses its own ticks as well. Pure.
 */
export class Silence {
  #heard = false;
  #silentTicks = 0;

  hear(): void {
    this.#heard = true;
  }

  /** @returns the number of ticks in a row, including this one, in which nothing came */
  tick(): number {
    this.#silentTicks = this.#heard ? 0 : this.#silentTicks + 1;
    this.#heard = false;
    return this.#silentTicks;
  }
}
