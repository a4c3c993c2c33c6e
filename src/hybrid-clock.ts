/**
 * Hybrid logical timestamps (Kulkarni et al., "Logical Physical Clocks", 2014): this node's own time (own-time.ts) as
 * long as it moves forward, and a counter where it does not. A timestamp is a safe integer: ms since 2024-01-01 in its
 * upper 41 bits, and a counter in the lower 12 that overflows into the milliseconds when it is full.
 *
 * No timestamp is issued twice, even across kills, restarts and wall clocks that are set back: every timestamp is below
 * a ceiling that was made durable before. The ceiling is raised when timestamps are issued or observed and more than
 * half of the reservation is used up. A clock that starts begins at the ceiling that it finds.
 *
 * One rule holds for timestamps that are issued, reserved, or taken from anyone, this node's own coordinator included:
 * none is further ahead of own time than the drift allowed (and a reservation at most `RESERVE_AHEAD_MS` above that).
 * Own time does not follow a wall clock that jumps. So nothing that a jump causes is stored, on this node or in its
 * ceiling, and nobody has to wait once the clock is right again.
 *
 * Reserving ahead has three consequences:
 *
 * - A node that is killed and started again at once begins ahead of the time, by up to what it had reserved, and its
 *   peers would refuse its writes. So it issues nothing until its own time is close enough to the ceiling.
 * - When a node starts whose wall clock was set back meanwhile, the ceiling tells it what own time was at least.
 * - After a pause the first timestamp has to wait for a reservation. Own time may be far above the ceiling then, but a
 *   timestamp below the ceiling would be so old that its write might meet newer versions everywhere. So `issue` says
 *   that there is no timestamp yet.
 *
 * Timestamps observed from peers do not move own time. Otherwise a peer whose clock runs too fast would pull it along,
 * a little with each message, and would never be refused.
 */
import { TIMESTAMP_EPOCH_MS, TIMESTAMPS_PER_MS, timestampAt, timestampMs } from '../native-free-lsm/index.ts';
import type { Clock, TimerHandle } from './clock.ts';
import { OwnTime } from './own-time.ts';

/** How far ahead the ceiling is raised. A raise may take half of this time before writes have to wait. */
export const RESERVE_AHEAD_MS = 1_000;
/** The last millisecond that fits into 41 bits is in 2093: a clock less than a day before it is wrong. */
const LATEST_MS = TIMESTAMP_EPOCH_MS + 2 ** 41 - 86_400_000;

/** Somebody who waits for a timestamp. */
export interface TimestampWaiter {
  /** `issue` may be tried again; with an error, trying again is of no use. */
  onTimestamps(error: Error | null): void;
}

interface HybridClockOptions {
  readonly clock: Clock;
  /** The number of nodes in the cluster; this node counts too. */
  readonly clusterSize: number;
  /**
   * The last ceiling made durable: every timestamp ever issued is below it. Less than a millisecond: none was issued.
   */
  readonly ceiling: number;
  /** Makes a higher ceiling durable. */
  readonly reserve: (ceiling: number) => Promise<void>;
  /** How far ahead of its own time a node accepts a timestamp. */
  readonly maxDriftMs: number;
}

export class HybridClock {
  readonly time: OwnTime;
  readonly #clock: Clock;
  readonly #reserve: (ceiling: number) => Promise<void>;
  readonly #maxDriftMs: number;
  /** Every timestamp that an earlier process may have issued is below this. */
  readonly #firstMs: number;
  /** Whether own time has come close enough to `#firstMs`. */
  #isSettled = false;
  /** Fires when own time has come close enough. */
  #timer: TimerHandle | null = null;
  #timerDueMs = 0;
  /** The last timestamp issued or observed. */
  #last: number;
  /** The durable ceiling: every issued timestamp stays below it. */
  #ceiling: number;
  /** Everything up to here is acceptable, now and for good, because own time never goes back. */
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
    // A bulk load writes with the epoch's first millisecond, which no clock shows.
    const wasIssued = ceiling >= TIMESTAMPS_PER_MS;
    const reachedMs = wasIssued
      ? Math.max(this.#firstMs - RESERVE_AHEAD_MS - maxDriftMs, TIMESTAMP_EPOCH_MS)
      : 0;
    const range = { earliestMs: TIMESTAMP_EPOCH_MS, latestMs: LATEST_MS };
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

  /**
   * @returns a timestamp above every one issued or observed before; 0 when there is none now: see `refusal` and `wait`
   */
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

  /** This node's own time, in whole ms since the Unix epoch: the form in which records and the engine have a time. */
  nowMs(): number {
    const ownMs = Math.floor(this.time.read());
    // The wall clock of a new folder may show anything: until own time is known, only what others have issued is past.
    return this.time.isKnown ? ownMs : Math.min(ownMs, timestampMs(this.#last));
  }

  /** A sentence that says why `issue` gives no timestamp and will not soon; undefined when it does or soon will. */
  get refusal(): string | undefined {
    return this.time.refusal;
  }

  /** Whether `issue` would give a timestamp at once. If not, this makes sure that it soon will. */
  get isReady(): boolean {
    const ownMs = this.time.read();
    if (!this.time.mayIssue || !(this.#isSettled || this.#settle(ownMs))) return false;
    if (Math.max(this.#last + 1, timestampAt(ownMs)) < this.#ceiling) return true;
    this.#startReservation(ownMs);
    return false;
  }

  /**
   * Tells the waiter once when `issue` may be tried again. Call it only after `issue` returned 0. That moment may never
   * come, as when a disk hangs: who stops waiting calls `stopWaiting`.
   */
  wait(waiter: TimestampWaiter): void {
    this.#waiters.add(waiter);
  }

  /** Does nothing for one that does not wait. */
  stopWaiting(waiter: TimestampWaiter): void {
    this.#waiters.delete(waiter);
  }

  /**
   * Notes a timestamp, so that later ones are issued above it. Returns false, and notes nothing, when the timestamp is
   * further ahead of own time than the drift allowed. This is the one judge of what may be stored here, whoever issued
   * the timestamp.
   */
  follow(timestamp: number): boolean {
    if (timestamp <= this.#last) return true;
    if (timestamp > this.#acceptable && !this.#accept(timestamp)) return false;
    this.#last = timestamp;
    // Not before this node issues timestamps itself: a node killed again and again would reserve more each time and use
    // nothing.
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
    // Either that node's time is wrong or this one's is: measure the clocks at once.
    time.onDoubt(false);
    return false;
  }

  /** Whether own time is so close to the first timestamp that peers will accept it. */
  #settle(ownMs: number): boolean {
    // The other half of the drift is left for the differences between the nodes' clocks.
    const earlyMs = this.#firstMs - this.#maxDriftMs / 2 - ownMs;
    if (earlyMs <= 0) {
      this.#isSettled = true;
      return true;
    }
    this.#wakeIn(earlyMs);
    return false;
  }

  /** Whether this node would accept the timestamp from a peer, because it may be the last one that a peer issued. */
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
    // An observed timestamp may be a little ahead, but never further than is accepted.
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
    // Go through a copy: a waiter that waits again is not told a second time now, and a waiter that was removed
    // meanwhile is not told.
    for (const waiter of [...this.#waiters]) if (this.#waiters.delete(waiter)) waiter.onTimestamps(error);
  }
}

/** The last timestamp of a moment. */
function lastOf(ms: number): number {
  return timestampAt(ms) + TIMESTAMPS_PER_MS - 1;
}
