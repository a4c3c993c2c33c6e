import type { Clock, TimerHandle } from '../clock.ts';

/** A request under way. All but `expire` and `abandon` is the queue's. */
export interface Expiring {
  /** Of the clock's monotonic time; 0 outside the queue. */
  deadlineMs: number;
  earlier: Expiring | null;
  later: Expiring | null;
  /** The deadline has passed. */
  expire(): void;
  /** The queue is closed. */
  abandon(): void;
}

/** How late a deadline may be seen: many that pass one after the other cost one sweep. */
const SWEEP_MS = 10;

/**
 * The deadlines of all requests under way. All have the same time to live, so they pass in the order they came,
 * and one timer for the earliest serves them all. The queue is a list through the requests themselves: one that
 * is answered leaves it at once, and does not keep its value in memory until its deadline.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #earliest: Expiring | null = null;
  #latest: Expiring | null = null;
  #timer: TimerHandle | null = null;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  add(entry: Expiring): void {
    entry.deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs;
    entry.earlier = this.#latest;
    if (this.#latest === null) this.#earliest = entry;
    else this.#latest.later = entry;
    this.#latest = entry;
    this.#timer ??= this.#clock.after(this.#timeoutMs, this.#sweep);
  }

  /** Nothing happens to one that is not in the queue any more. */
  remove(entry: Expiring): void {
    if (entry.deadlineMs === 0) return;
    entry.deadlineMs = 0;
    const { earlier, later } = entry;
    if (earlier === null) this.#earliest = later;
    else earlier.later = later;
    if (later === null) this.#latest = earlier;
    else later.earlier = earlier;
    entry.earlier = null;
    entry.later = null;
  }

  /** Abandons what is left. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (let entry = this.#earliest; entry !== null; entry = this.#earliest) {
      this.remove(entry);
      entry.abandon();
    }
  }

  readonly #sweep = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    for (let entry = this.#earliest; entry !== null && entry.deadlineMs <= nowMs; entry = this.#earliest) {
      this.remove(entry);
      entry.expire();
    }
    if (this.#earliest === null) return;
    this.#timer ??= this.#clock.after(Math.max(this.#earliest.deadlineMs - nowMs, SWEEP_MS), this.#sweep);
  };
}
