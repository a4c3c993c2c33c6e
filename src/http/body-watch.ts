/**
 * Sees to it that bodies come: one that is sent more slowly than the least rate, over some seconds, ends with 408. What
 * was only announced costs a node nothing but a place, and this bounds for how long.
 */
import type { Clock, TimerHandle } from '../clock.ts';

const TICK_MS = 1_000;
/** Over how many ticks a rate is measured: also the grace for a body that has just begun. */
export const WATCH_TICKS = 5;

/** A request whose body is being read. The two fields are the watch's. */
export interface WatchedBody {
  watchedTicks: number;
  watchedBytes: number;
  /** Fewer than `leastBytes` have come in the time. */
  onTooSlow(leastBytesPerSecond: number): void;
}

export class BodyWatch {
  readonly #leastBytesPerSecond: number;
  readonly #clock: Clock;
  readonly #bodies = new Set<WatchedBody>();
  #timer: TimerHandle | null = null;

  constructor(leastBytesPerSecond: number, clock: Clock) {
    this.#leastBytesPerSecond = leastBytesPerSecond;
    this.#clock = clock;
  }

  add(body: WatchedBody): void {
    this.#bodies.add(body);
    this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
  }

  remove(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  readonly #tick = (): void => {
    this.#timer = null;
    const leastBytes = (this.#leastBytesPerSecond * WATCH_TICKS * TICK_MS) / 1_000;
    for (const body of this.#bodies) {
      if (++body.watchedTicks < WATCH_TICKS) continue;
      const bytes = body.watchedBytes;
      body.watchedTicks = 0;
      body.watchedBytes = 0;
      if (bytes >= leastBytes) continue;
      this.#bodies.delete(body);
      body.onTooSlow(this.#leastBytesPerSecond);
    }
    if (this.#bodies.size > 0) this.#timer ??= this.#clock.after(TICK_MS, this.#tick);
  };
}
