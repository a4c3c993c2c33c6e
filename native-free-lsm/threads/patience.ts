import type { EngineClock } from '../clock.ts';

/** Measures how long a thread has waited for something that another thread has to do. */
export class Patience {
  readonly #clock: EngineClock;
  readonly #timeoutMs: number;
  #sinceMs = -1;

  constructor(clock: EngineClock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Call it while waiting. It returns false when the wait has lasted too long. */
  waits(): boolean {
    const now = this.#clock.monotonicMs();
    if (this.#sinceMs < 0) this.#sinceMs = now;
    return now - this.#sinceMs < this.#timeoutMs;
  }

  /** The wait is over. */
  end(): void {
    this.#sinceMs = -1;
  }
}
