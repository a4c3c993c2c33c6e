/**
 * Hybrid logical timestamps (Kulkarni et al., "Logical Physical Clocks", 2014): the wall clock where it goes
 * forward, a counter where it does not. A timestamp is a safe integer: ms since 2024-01-01 in its upper 41 bits,
 * a counter in the lower 12 that runs over into the milliseconds when it is full.
 *
 * No timestamp is issued twice, also across kills, restarts and wall clocks set back: every one lies below a
 * ceiling that was made durable before. The ceiling is raised while timestamps are issued or observed and more
 * than half of what was reserved is used up; a clock that starts begins at the ceiling it finds.
 *
 * Three things follow from reserving ahead:
 *
 * - A node killed and started again at once would begin ahead of the wall clock, by up to what it had reserved,
 *   and its peers would refuse what it writes. `open` therefore waits until the wall clock has come close enough
 *   to the ceiling, and never longer than was reserved: by then a clock that goes right has passed the ceiling.
 * - A clock that was set back by hours has its ceiling far ahead for hours. It goes on from there: waiting would
 *   take too long, and going back would let older values win.
 * - After a pause the first timestamp has to wait for a reservation. The wall clock may be far past the ceiling
 *   then, but a timestamp from below it would be so old that a write with it might lose to one acknowledged
 *   before: `issue` says that there is none yet.
 *
 * Which timestamps of peers are refused is measured against this node's own time, that is its wall clock, held up
 * where it was set back. Without that, a cluster whose clocks were all set back would refuse its own writes for as
 * long. Timestamps observed from peers do not move it: else a peer whose clock runs too fast would drag it along,
 * a little with each message, and never be refused.
 */
import type { Clock } from './clock.ts';

export const COUNTER_BITS = 12;
export const TIMESTAMPS_PER_MS = 2 ** COUNTER_BITS;
export const EPOCH_MS = Date.UTC(2024, 0, 1);
/** How far ahead the ceiling is raised. Half of it is what a raise may take before writes have to wait. */
export const RESERVE_AHEAD_MS = 1_000;
/**
 * How fast a node's own time goes on after its wall clock was set back: a little slower than real time, so that
 * the two meet again, and far faster than a counter of a peer in the same position can run.
 */
const CATCH_UP_RATE = 15 / 16;

export interface HybridClockOptions {
  readonly clock: Clock;
  /** The last ceiling made durable: every timestamp ever issued lies below. 0: none ever was. */
  readonly ceiling: number;
  /** Makes a higher ceiling durable. */
  readonly reserve: (ceiling: number) => Promise<void>;
  /** How far ahead of its own time a node takes a peer's timestamp. */
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
  readonly #clock: Clock;
  readonly #reserve: (ceiling: number) => Promise<void>;
  readonly #maxDriftMs: number;
  /** The last timestamp issued or observed. */
  #last: number;
  /** Durable: what is issued stays below. */
  #ceiling: number;
  #reservation: Promise<void> | null = null;
  #waiting: ((error: Error | null) => void)[] = [];
  /** This node's own time, ms since the Unix epoch, and when it was taken. */
  #ownMs: number;
  #ownTakenAtMs: number;

  private constructor(options: HybridClockOptions) {
    this.#clock = options.clock;
    this.#reserve = options.reserve;
    this.#maxDriftMs = options.maxDriftMs;
    this.#ceiling = options.ceiling;
    this.#last = Math.max(options.ceiling - 1, 0);
    this.#ownMs = options.ceiling === 0 ? options.clock.nowMs() : timestampMs(options.ceiling);
    this.#ownTakenAtMs = options.clock.monotonicMs();
  }

  /** Ends when the first reservation is durable, or cannot be for now. Waits before if the ceiling was in use a moment ago: see above. */
  static async open(options: HybridClockOptions): Promise<HybridClock> {
    const { clock, ceiling, maxDriftMs } = options;
    if (ceiling > 0) {
      // Half the drift is left to the differences between the nodes' clocks.
      const aheadMs = Math.min(timestampMs(ceiling) + 1 - clock.nowMs(), RESERVE_AHEAD_MS) - maxDriftMs / 2;
      if (aheadMs > 0) await new Promise<void>((resolve) => clock.after(aheadMs, resolve));
    }
    const hybrid = new HybridClock(options);
    // While none can be made durable there is no timestamp to issue, and each one asked for tries again.
    await hybrid.#raiseCeiling().catch(() => undefined);
    return hybrid;
  }

  /** A timestamp above every one issued or observed before; 0 when none is reserved now: see `whenReserved`. */
  issue(): number {
    const next = Math.max(this.#last + 1, timestampAt(this.#clock.nowMs()));
    if (next >= this.#ceiling) {
      this.#startReservation();
      return 0;
    }
    this.#last = next;
    this.#keepAhead();
    return next;
  }

  /** Calls back once, when the reservation under way has ended. Only to be called when `issue` has returned 0. */
  whenReserved(callback: (error: Error | null) => void): void {
    this.#waiting.push(callback);
  }

  /** Takes note of a peer's timestamp that is acceptable: what is issued from now on lies above. */
  observe(timestamp: number): void {
    if (timestamp <= this.#last) return;
    this.#last = timestamp;
    this.#keepAhead();
  }

  /** Takes note of a timestamp that was met, if it is acceptable. */
  follow(timestamp: number): boolean {
    if (timestamp <= this.#last) return true;
    if (!this.acceptable(timestamp)) return false;
    this.observe(timestamp);
    return true;
  }

  /** False for a peer's timestamp that is further ahead of this node's own time than the drift allowed. */
  acceptable(timestamp: number): boolean {
    const takenAtMs = this.#clock.monotonicMs();
    const heldUpMs = this.#ownMs + (takenAtMs - this.#ownTakenAtMs) * CATCH_UP_RATE;
    this.#ownMs = Math.max(this.#clock.nowMs(), heldUpMs);
    this.#ownTakenAtMs = takenAtMs;
    return timestampMs(timestamp) <= this.#ownMs + this.#maxDriftMs;
  }

  #keepAhead(): void {
    if (this.#ceiling - this.#last < (RESERVE_AHEAD_MS / 2) * TIMESTAMPS_PER_MS) this.#startReservation();
  }

  #startReservation(): void {
    if (this.#reservation !== null) return;
    this.#reservation = this.#raiseCeiling().then(
      () => this.#endReservation(null),
      (error: unknown) => this.#endReservation(error instanceof Error ? error : new Error(String(error))),
    );
  }

  #endReservation(error: Error | null): void {
    this.#reservation = null;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback(error);
  }

  async #raiseCeiling(): Promise<void> {
    const now = Math.max(this.#last, timestampAt(this.#clock.nowMs()));
    const ceiling = Math.min(now + RESERVE_AHEAD_MS * TIMESTAMPS_PER_MS, Number.MAX_SAFE_INTEGER);
    await this.#reserve(ceiling);
    this.#ceiling = ceiling;
  }
}
