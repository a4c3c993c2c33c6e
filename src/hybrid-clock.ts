/**
 * Hybrid logical timestamps (Kulkarni et al., "Logical Physical Clocks", 2014): this node's own time (own-time.ts)
 * where it goes forward, a counter where it does not. A timestamp is a safe integer: ms since 2024-01-01 in its upper
 * 41 bits, a counter in the lower 12 that runs over into the milliseconds when it is full.
 *
 * No timestamp is issued twice, also across kills, restarts and wall clocks set back: every one lies below a
 * ceiling that was made durable before. The ceiling is raised while timestamps are issued or observed and more
 * than half of what was reserved is used up; a clock that starts begins at the ceiling it finds.
 *
 * One rule holds for what is issued, what is reserved, and what is taken from anyone, this node's own coordinator
 * included: nothing lies further ahead of own time than the drift allowed (and a reservation no more than
 * `RESERVE_AHEAD_MS` above that). Own time does not follow a wall clock that jumps, so nothing that a jump brought
 * forth is stored, on this node or on its disk, and there is nothing to wait for when the clock is right again.
 *
 * Three things follow from reserving ahead:
 *
 * - A node killed and started again at once begins ahead of the time, by up to what it had reserved, and its peers
 *   would refuse what it writes. So it issues nothing until its own time has come close enough to the ceiling.
 * - The ceiling says what own time was at least, when a node starts whose wall clock was set back meanwhile.
 * - After a pause the first timestamp has to wait for a reservation. Own time may be far past the ceiling then, but a
 *   timestamp from below it would be so old that a write with it might meet newer ones everywhere: `issue` says that
 *   there is none yet.
 *
 * Timestamps observed from peers do not move own time: else a peer whose clock runs too fast would drag it along, a
 * little with each message, and never be refused.
 */
import type { Clock, TimerHandle } from './clock.ts';
import { OwnTime } from './own-time.ts';

export const COUNTER_BITS = 12;
export const TIMESTAMPS_PER_MS = 2 ** COUNTER_BITS;
export const EPOCH_MS = Date.UTC(2024, 0, 1);
/** How far ahead the ceiling is raised. Half of it is what a raise may take before writes have to wait. */
export const RESERVE_AHEAD_MS = 1_000;
/** The last millisecond that fits into 41 bits lies in 2093: a clock within a day of it is a wrong one. */
const LATEST_MS = EPOCH_MS + 2 ** 41 - 86_400_000;

/** Whoever has to wait for a timestamp. */
export interface TimestampWaiter {
  /** `issue` may be tried again; or, with an error, that is of no use. */
  onTimestamps(error: Error | null): void;
}

export interface HybridClockOptions {
  readonly clock: Clock;
  /** Nodes in the cluster, this one included. */
  readonly clusterSize: number;
  /** The last ceiling made durable: every timestamp ever issued lies below. Less than a millisecond: none ever was. */
  readonly ceiling: number;
  /** Makes a higher ceiling durable. */
  readonly reserve: (ceiling: number) => Promise<void>;
  /** How far ahead of its own time a node takes a timestamp. */
  readonly maxDriftMs: number;
}

/** Of a moment in ms since the Unix epoch. */
export function timestampAt(ms: number): number {
  return Math.max(Math.floor(ms - EPOCH_MS), 0) * TIMESTAMPS_PER_MS;
}

/** The moment in a timestamp, in ms since the Unix epoch. */
export function timestampMs(timestamp: number): number {
  return Math.floor(timestamp / TIMESTAMPS_PER_MS) + EPOCH_MS;
}

export class HybridClock {
  readonly time: OwnTime;
  readonly #clock: Clock;
  readonly #reserve: (ceiling: number) => Promise<void>;
  readonly #maxDriftMs: number;
  /** What an earlier process may have issued lies below. */
  readonly #firstMs: number;
  /** Own time has come close enough to `#firstMs`. */
  #isSettled = false;
  /** Own time will have come far enough then. */
  #timer: TimerHandle | null = null;
  #timerDueMs = 0;
  /** The last timestamp issued or observed. */
  #last: number;
  /** Durable: what is issued stays below. */
  #ceiling: number;
  /** Whatever lies up to here is acceptable, now and for good: own time never goes back. */
  #acceptable = 0;
  #reservation: Promise<void> | null = null;
  /** In the order in which they came. */
  readonly #waiters = new Set<TimestampWaiter>();

  constructor(options: HybridClockOptions) {
    const { clock, ceiling, clusterSize, maxDriftMs } = options;
    this.#clock = clock;
    this.#reserve = options.reserve;
    this.#maxDriftMs = maxDriftMs;
    this.#ceiling = ceiling;
    this.#last = Math.max(ceiling - 1, 0);
    this.#firstMs = timestampMs(ceiling);
    // A bulk load begins at the epoch's first millisecond: that is no time of any clock.
    const wasIssued = ceiling >= TIMESTAMPS_PER_MS;
    const reachedMs = wasIssued ? Math.max(this.#firstMs - RESERVE_AHEAD_MS - maxDriftMs, EPOCH_MS) : 0;
    const range = { earliestMs: EPOCH_MS, latestMs: LATEST_MS };
    this.time = new OwnTime({
      clock,
      clusterSize,
      maxDriftMs,
      reachedMs,
      reservedMs: this.#firstMs,
      ...range,
    });
    this.time.onChange = () => this.#wake(null);
  }

  /** A timestamp above every one issued or observed before; 0 when there is none now: see `refusal`, `wait`. */
  issue(): number {
    const { time } = this;
    const ownMs = time.read();
    if (!time.mayIssue || !(this.#isSettled || this.#settle(ownMs))) return 0;
    const next = Math.max(this.#last + 1, timestampAt(ownMs));
    if (next >= this.#ceiling) {
      this.#startReservation(ownMs);
      return 0;
    }
    if (next > this.#acceptable && !this.#reach(next, ownMs)) return 0;
    this.#last = next;
    if (this.#ceiling - next < (RESERVE_AHEAD_MS / 2) * TIMESTAMPS_PER_MS) this.#startReservation(ownMs);
    return next;
  }

  /** Why `issue` gives none and will not soon, a sentence. */
  get refusal(): string | undefined {
    return this.time.refusal;
  }

  /** Whether `issue` would give a timestamp at once; sees to it that it soon will. */
  get isReady(): boolean {
    const ownMs = this.time.read();
    if (!this.time.mayIssue || !(this.#isSettled || this.#settle(ownMs))) return false;
    if (Math.max(this.#last + 1, timestampAt(ownMs)) < this.#ceiling) return true;
    this.#startReservation(ownMs);
    return false;
  }

  /**
   * Tells the waiter once when `issue` may be tried again. Only to be called when it has returned 0. What one waits for
   * may never come, as of a disk that hangs: who waits no longer calls `stopWaiting`.
   */
  wait(waiter: TimestampWaiter): void {
    this.#waiters.add(waiter);
  }

  /** Nothing happens to one that does not wait. */
  stopWaiting(waiter: TimestampWaiter): void {
    this.#waiters.delete(waiter);
  }

  /**
   * Takes note of a timestamp: what is issued from now on lies above. False, and nothing is noted, for one that is
   * further ahead of own time than the drift allowed. The one judge of what is stored here, whoever issued it.
   */
  follow(timestamp: number): boolean {
    if (timestamp <= this.#last) return true;
    if (timestamp > this.#acceptable && !this.#accept(timestamp)) return false;
    this.#last = timestamp;
    // Not before this node issues itself: a node killed again and again would reserve more each time, and use nothing.
    if (this.#isSettled && this.#ceiling - timestamp < (RESERVE_AHEAD_MS / 2) * TIMESTAMPS_PER_MS)
      this.#startReservation(this.time.read());
    return true;
  }

  #accept(timestamp: number): boolean {
    const { time } = this;
    const latest = lastOf(time.read() + this.#maxDriftMs);
    if (time.isKnown) this.#acceptable = latest;
    if (timestamp <= latest) return true;
    if (time.takeStepTo(timestampMs(timestamp))) return true;
    // Either that node's time is wrong or this one's is: it is seen at once.
    time.onDoubt(false);
    return false;
  }

  /** Whether own time has come so close to the first timestamp that peers will take it. */
  #settle(ownMs: number): boolean {
    // Half the drift is left to the differences between the nodes' clocks.
    const earlyMs = this.#firstMs - this.#maxDriftMs / 2 - ownMs;
    if (earlyMs <= 0) {
      this.#isSettled = true;
      return true;
    }
    this.#wakeIn(earlyMs);
    return false;
  }

  /** Whether this node would take the timestamp from another: one a peer issued may have been the last that it takes. */
  #reach(timestamp: number, ownMs: number): boolean {
    this.#acceptable = lastOf(ownMs + this.#maxDriftMs);
    if (timestamp <= this.#acceptable) return true;
    this.#wakeIn(timestampMs(timestamp) - this.#maxDriftMs - ownMs);
    return false;
  }

  #wakeIn(ms: number): void {
    const dueMs = this.#clock.monotonicMs() + ms;
    if (this.#timer !== null && this.#timerDueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#timerDueMs = dueMs;
    this.#timer = this.#clock.after(ms, () => {
      this.#timer = null;
      this.#wake(null);
    });
  }

  #startReservation(ownMs: number): void {
    if (this.#reservation !== null) return;
    // An observed timestamp may lie a little ahead, never further than is accepted.
    const from = Math.max(this.#last, timestampAt(ownMs));
    this.#reservation = this.#raiseCeiling(from + RESERVE_AHEAD_MS * TIMESTAMPS_PER_MS).then(
      () => this.#endReservation(null),
      (error: unknown) => this.#endReservation(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #endReservation(error: Error | null): void {
    this.#reservation = null;
    this.#wake(error);
  }

  async #raiseCeiling(ceiling: number): Promise<void> {
    await this.#reserve(ceiling);
    this.#ceiling = ceiling;
  }

  #wake(error: Error | null): void {
    // Not the set itself: whoever waits again is not told again now, and who was made to stop not at all.
    for (const waiter of [...this.#waiters]) if (this.#waiters.delete(waiter)) waiter.onTimestamps(error);
  }
}

/** The last timestamp of a moment. */
function lastOf(ms: number): number {
  return timestampAt(ms) + TIMESTAMPS_PER_MS - 1;
}
