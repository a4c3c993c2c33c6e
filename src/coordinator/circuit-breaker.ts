/** What is known of a node's answers. The names are those of the status. */
export const BreakerState = {
  /** It answers as it should. */
  closed: 'closed',
  /** It does not, or not in time: for a while nothing that it does changes that. */
  open: 'open',
  /** A few good answers in a row close it, a bad one opens it again. */
  halfOpen: 'half-open',
} as const;
export type BreakerState = (typeof BreakerState)[keyof typeof BreakerState];

/** Open when half of the recent answers are failures: from none to six in a row, each weighs an eighth. */
const FAILING_SHARE = 0.5;
const NEWEST_WEIGHT = 1 / 8;
/** How long it stays open at first. */
const FIRST_HOLD_MS = 250;
/** And at most, so that a node that is well again is soon found to be. */
const MAX_HOLD_MS = 2_000;
/** Closed for so long, it has forgotten how often it opened. */
const FORGIVEN_AFTER_MS = 10_000;
const PROBES = 3;

/**
 * Remembers that a node is dead, frozen or slow, so that not every request has to find out. While it is not closed,
 * requests ask all replicas at once, that node too: its answers are the probes that close the breaker, and no client
 * waits for one.
 *
 * Opened again soon after it closed, it stays open twice as long, so that a node that comes and goes is not believed at
 * each request. Answers to what was asked before the state began say nothing about it, and are not counted. Pure: time
 * is the caller's.
 */
export class CircuitBreaker {
  /** The share of failures among the recent answers. */
  #failing = 0;
  #holdMs = FIRST_HOLD_MS;
  #goodProbes = 0;
  state: BreakerState = BreakerState.closed;
  /** When the state began. */
  sinceMs = 0;
  /** How often it has opened, after it was closed or in a probe. */
  opened = 0;

  get isClosed(): boolean {
    return this.state === BreakerState.closed;
  }

  /**
   * Hears of an answer.
   * @param askedMs when the question was asked
   * @param isGood whether it counts and came in good time
   * @returns whether this has changed whether it is closed
   */
  hear(askedMs: number, nowMs: number, isGood: boolean): boolean {
    if (this.state === BreakerState.closed) {
      this.#failing += ((isGood ? 0 : 1) - this.#failing) * NEWEST_WEIGHT;
      return this.#failing >= FAILING_SHARE && this.open(nowMs);
    }
    if (this.state === BreakerState.open || askedMs < this.sinceMs) return false;
    if (!isGood) return this.open(nowMs);
    if (++this.#goodProbes < PROBES) return false;
    this.#become(BreakerState.closed, nowMs);
    return true;
  }

  /**
   * The node is known to be unwell: it is silent, or slow.
   * @returns whether it was closed
   */
  open(nowMs: number): boolean {
    const { state } = this;
    if (state === BreakerState.open) return false;
    const isRelapse = state === BreakerState.halfOpen || nowMs - this.sinceMs < FORGIVEN_AFTER_MS;
    this.#holdMs = isRelapse && this.opened > 0 ? Math.min(this.#holdMs * 2, MAX_HOLD_MS) : FIRST_HOLD_MS;
    this.opened++;
    this.#become(BreakerState.open, nowMs);
    return state === BreakerState.closed;
  }

  /** Lets time pass. */
  tick(nowMs: number): void {
    if (this.state === BreakerState.open && nowMs - this.sinceMs >= this.#holdMs)
      this.#become(BreakerState.halfOpen, nowMs);
  }

  #become(state: BreakerState, nowMs: number): void {
    this.state = state;
    this.sinceMs = nowMs;
    this.#failing = 0;
    this.#goodProbes = 0;
  }
}
