/**
 * Sees to it that bodies come: one that is sent more slowly than the least rate for some seconds ends with 408. A body
 * that is only announced costs a node one place, and this bounds for how long.
 */
import type { Clock, TimerHandle } from '../clock.ts';

const TICK_MS = 1_000;
/** Over how many ticks a rate is measured: also the grace for a body that has just begun. */
export const WATCH_TICKS = 5;

/** A body that is being read. Its fields belong to the watch, but it adds to `watchedBytes` what comes. */
export interface WatchedBody {
  watchedEarlier: WatchedBody | null;
  watchedLater: WatchedBody | null;
  watchedTicks: number;
  watchedBytes: number;
  /** Fewer than `leastBytes` have come in the time. */
  onTooSlow(leastBytesPerSecond: number): void;
}

export class BodyWatch {
  readonly #leastBytesPerSecond: number;
  readonly #clock: Clock;
  /** A list through the bodies themselves: most are read whole within a turn, and should cost next to nothing. */
  #first: WatchedBody | null = null;
  #last: WatchedBody | null = null;
  #timer: TimerHandle | null = null;

  constructor(leastBytesPerSecond: number, clock: Clock) {
    this.#leastBytesPerSecond = leastBytesPerSecond;
    this.#clock = clock;
  }

  add(body: WatchedBody): void {
    body.watchedEarlier = this.#last;
    if (this.#last === null) this.#first = body;
    else this.#last.watchedLater = body;
    this.#last = body;
    this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
  }

  /** Nothing happens to one that is not watched. */
  remove(body: WatchedBody): void {
    const { watchedEarlier: earlier, watchedLater: later } = body;
    if (earlier === null && this.#first !== body) return;
    if (earlier === null) this.#first = later;
    else earlier.watchedLater = later;
    if (later === null) this.#last = earlier;
    else later.watchedEarlier = earlier;
    body.watchedEarlier = null;
    body.watchedLater = null;
  }

  readonly #tick = (): void => {
    this.#timer = null;
    const leastBytes = (this.#leastBytesPerSecond * WATCH_TICKS * TICK_MS) / 1_000;
    // All are found before any is told, because one that is told may take out others.
    const tooSlow: WatchedBody[] = [];
    for (let body = this.#first; body !== null; body = body.watchedLater) {
      if (++body.watchedTicks < WATCH_TICKS) continue;
      if (body.watchedBytes < leastBytes) tooSlow.push(body);
      body.watchedTicks = 0;
      body.watchedBytes = 0;
    }
    for (const body of tooSlow) {
      this.remove(body);
      body.onTooSlow(this.#leastBytesPerSecond);
    }
    if (this.#first !== null) this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
  };
}
