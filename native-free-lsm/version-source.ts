import { type EngineClock, systemEngineClock } from './clock.ts';

const EPOCH_MS = Date.UTC(2024, 0, 1);
const TICKS_PER_MS = 4096;

/** Timestamps for an engine that is its only writer: the wall clock, but never the same or an older one twice. */
export class VersionSource {
  readonly #clock: EngineClock;
  #last: number;

  /** @param newest the largest timestamp in the store, so that a clock set back hides nothing new */
  constructor(newest: number, clock: EngineClock = systemEngineClock) {
    this.#clock = clock;
    this.#last = newest;
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, (this.#clock.nowMs() - EPOCH_MS) * TICKS_PER_MS);
    return this.#last;
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }
}
