import type { Clock, TimerHandle } from '../../clock.ts';

/** A round settles one stretch of slots after the other, and a table has keys of all of them. */
const REST_MS = 3_000;

/** Has the engine purge what may go once slots were settled, when no further ones have been settled for a while. */
export class PurgeRest {
  readonly #clock: Clock;
  readonly #purge: () => void;
  #timer: TimerHandle | null = null;

  constructor(clock: Clock, purge: () => void) {
    this.#clock = clock;
    this.#purge = purge;
  }

  /** Slots were settled. */
  settled(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(REST_MS, () => {
      this.#timer = null;
      this.#purge();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
