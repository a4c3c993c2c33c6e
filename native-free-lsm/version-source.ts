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

  /** From now on none is given up to this one, which somebody else has given. */
  passed(timestamp: number): void {
    this.#last = Math.max(this.#last, timestamp);
  }

  next(): number {
    return this.take(1);
  }

  /** Several in a row. @returns the first; each other one is larger by one */
  take(count: number): number {
    const timestamp = timestampAt(this.#clock.nowMs());
    const first = timestamp > this.#last && timestamp <= MAX_TIMESTAMP ? timestamp : this.#last + 1;
    // Of none, the last one is none of them.
    if (count > 0) this.#last = first + count - 1;
    return first;
  }
}
