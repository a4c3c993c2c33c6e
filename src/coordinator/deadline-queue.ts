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
 * The deadlines of all requests under way, in the order in which they pass, with one timer for the earliest. All have
 * the same time to live, less what they have waited before they came here, and that is much the same for neighbours:
 * a new one has its place at the end or close to it. The queue is a list through the requests themselves: one that
 * is answered leaves it at once, and does not keep its value in memory until its deadline.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #earliest: Expiring | null = null;
  #latest: Expiring | null = null;
  #timer: TimerHandle | null = null;
  /** When it goes off, at the earliest. */
  #timerDueMs = 0;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** @param waitedMs what of its time has passed already */
  add(entry: Expiring, waitedMs: number): void {
    const deadlineMs = this.#clock.monotonicMs() + this.#timeoutMs - waitedMs;
    entry.deadlineMs = deadlineMs;
    let earlier = this.#latest;
    while (earlier !== null && earlier.deadlineMs > deadlineMs) earlier = earlier.earlier;
    const later = earlier === null ? this.#earliest : earlier.later;
    entry.earlier = earlier;
    entry.later = later;
    if (earlier === null) this.#earliest = entry;
    else earlier.later = entry;
    if (later === null) this.#latest = entry;
    else later.earlier = entry;
    if (this.#timer === null || deadlineMs < this.#timerDueMs)
      this.#arm(deadlineMs, this.#timeoutMs - waitedMs);
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
    if (this.#earliest === null || this.#timer !== null) return;
    const delayMs = Math.max(this.#earliest.deadlineMs - nowMs, SWEEP_MS);
    this.#arm(nowMs + delayMs, delayMs);
  };

  #arm(dueMs: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.after(Math.max(delayMs, 0), this.#sweep);
  }
}
