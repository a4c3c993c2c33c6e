import type { Clock, TimerHandle } from '../clock.ts';
import { type Linked, LinkedList } from './linked-list.ts';

/** A request under way. `deadlineMs` is the queue's, and the links are, too, while it is there. */
export interface Expiring extends Linked<Expiring> {
  /** Of the clock's monotonic time; 0 outside the queue. */
  deadlineMs: number;
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
 * a new one has its place at the end or close to it. One that is answered leaves the queue at once, and does not keep
 * its value in memory until its deadline.
 */
export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #entries = new LinkedList<Expiring>();
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
    let earlier = this.#entries.last;
    while (earlier !== null && earlier.deadlineMs > deadlineMs) earlier = earlier.earlier;
    this.#entries.insertAfter(earlier, entry);
    if (this.#timer === null || deadlineMs < this.#timerDueMs)
      this.#arm(deadlineMs, this.#timeoutMs - waitedMs);
  }

  /** Nothing happens to one that is not in the queue any more. */
  remove(entry: Expiring): void {
    if (entry.deadlineMs === 0) return;
    entry.deadlineMs = 0;
    this.#entries.remove(entry);
  }

  /** Abandons what is left. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (let entry = this.#entries.first; entry !== null; entry = this.#entries.first) {
      this.remove(entry);
      entry.abandon();
    }
  }

  readonly #sweep = (): void => {
    this.#timer = null;
    const nowMs = this.#clock.monotonicMs();
    let entry = this.#entries.first;
    for (; entry !== null && entry.deadlineMs <= nowMs; entry = this.#entries.first) {
      this.remove(entry);
      entry.expire();
    }
    if (entry === null || this.#timer !== null) return;
    const delayMs = Math.max(entry.deadlineMs - nowMs, SWEEP_MS);
    this.#arm(nowMs + delayMs, delayMs);
  };

  #arm(dueMs: number, delayMs: number): void {
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.after(Math.max(delayMs, 0), this.#sweep);
  }
}
