import type { EngineClock } from '../clock.ts';

/** A clock may be set while it is waited for, so no wait is longer than this. */
const LONGEST_WAIT_MS = 60_000;

/** Wakes somebody at a time of the wall clock, or of one like it: the earliest that was asked for last. */
export class Alarm {
  readonly #clock: EngineClock;
  readonly #nowMs: () => number;
  readonly #onDue: () => void;
  #timer: { cancel(): void } | undefined;
  #setForMs = Number.POSITIVE_INFINITY;

  constructor(clock: EngineClock, nowMs: () => number, onDue: () => void) {
    this.#clock = clock;
    this.#nowMs = nowMs;
    this.#onDue = onDue;
  }

  /** @param atMs in place of the time it was set for before; infinite: it is not needed */
  set(atMs: number): void {
    if (atMs === this.#setForMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#setForMs = atMs;
    if (atMs !== Number.POSITIVE_INFINITY) this.#wait();
  }

  #wait(): void {
    const leftMs = this.#setForMs - this.#nowMs();
    this.#timer = this.#clock.after(Math.min(Math.max(leftMs, 0), LONGEST_WAIT_MS), () => {
      if (this.#nowMs() < this.#setForMs) {
        this.#wait();
        return;
      }
      this.#setForMs = Number.POSITIVE_INFINITY;
      this.#onDue();
    });
  }
}
