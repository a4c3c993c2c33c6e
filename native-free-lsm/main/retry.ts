import type { EngineClock } from '../clock.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;

/** When work that failed is tried again: later after each failure in a row. */
export class Retry {
  readonly #clock: EngineClock;
  readonly #onDue: () => void;
  #nextMs = FIRST_RETRY_MS;
  #pending = false;

  constructor(clock: EngineClock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Work of this kind waits for its next attempt. */
  get pending(): boolean {
    return this.#pending;
  }

  succeeded(): void {
    this.#nextMs = FIRST_RETRY_MS;
  }

  /** @returns in how many ms the next attempt is */
  failed(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(this.#nextMs * 2, LAST_RETRY_MS);
    if (!this.#pending) {
      this.#pending = true;
      this.#clock.after(delayMs, () => {
        this.#pending = false;
        this.#onDue();
      });
    }
    return delayMs;
  }
}
