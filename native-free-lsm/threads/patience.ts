import type { EngineClock } from '../clock.ts';

/** Waiting for something that another thread has to do, and no longer than a bound. */
export class Patience {
  readonly #clock: EngineClock;
  readonly #timeoutMs: number;
  #sinceMs = -1;

  constructor(clock: EngineClock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Waits on; false once that has lasted too long. */
  waits(): boolean {
    const now = this.#clock.monotonicMs();
    if (this.#sinceMs < 0) this.#sinceMs = now;
    return now - this.#sinceMs < this.#timeoutMs;
  }

  /** What was waited for has come. */
  end(): void {
    this.#sinceMs = -1;
  }
}
