import type { Clock, TimerHandle } from '../../clock.ts';

/** A round settles one stretch of slots after the other, and a table has keys of all of them. */
const REST_MS = 3_000;
/** Where rounds follow each other closely, as under a short interval, further slots are settled without end. */
const MAX_PUT_OFF_MS = 10_000;

/**
 * Has the engine purge what may go once slots were settled, when no further ones have been settled for a while, and after
 * some seconds in any case.
 */
export class PurgeRest {
  readonly #clock: Clock;
  readonly #purge: () => void;
  #timer: TimerHandle | null = null;
  /** When the purge that is put off now is due in any case. */
  #latestMs = 0;

  constructor(clock: Clock, purge: () => void) {
    this.#clock = clock;
    this.#purge = purge;
  }

  /** Slots were settled. */
  settled(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#timer === null) this.#latestMs = nowMs + MAX_PUT_OFF_MS;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(Math.min(REST_MS, this.#latestMs - nowMs), () => {
      this.#timer = null;
      this.#purge();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}
