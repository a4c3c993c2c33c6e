import { type EngineClock, systemEngineClock } from './clock.ts';
import { MAX_TIMESTAMP, timestampAt } from './format/timestamp.ts';

/**
 * Timestamps for an engine that is its only writer: the wall clock, but never the same or an older one again. A clock
 * that shows a time that no timestamp can hold (before 2024, after 2093) is ignored.
 */
export class VersionSource {
  readonly #clock: EngineClock;
  #last: number;

  /** @param newest the largest timestamp in the store, so that a clock that was set back hides nothing new */
  constructor(newest: number, clock: EngineClock = systemEngineClock) {
    this.#clock = clock;
    this.#last = newest;
  }

  next(): number {
    const timestamp = timestampAt(this.#clock.nowMs());
    this.#last = timestamp > this.#last && timestamp <= MAX_TIMESTAMP ? timestamp : this.#last + 1;
    return this.#last;
  }
}
