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
 * waits for one. It gets more to do by that than its share when it is well, so it is not opened for a node that only has
 * too much to do, and where more than half of the replicas have open ones not all are asked.
 *
 * Opened again soon after it closed, it stays open twice as long, so that a node that comes and goes is not believed at
 * each request. An answer is news only when it was asked for in the present state: what comes late from before says
 * nothing about the node as it is now. Pure: time is the caller's.
 */
export class CircuitBreaker {
  isClosed = true;
  /** How often it has opened, after it was closed or after a probe. */
  opened = 0;
  /** Of what is asked before, nothing is heard: when it closed, or when it will be half-open. */
  #hearsFromMs = 0;
  /** The share of failures among the recent answers. */
  #failing = 0;
  #holdMs = FIRST_HOLD_MS;
  #goodProbes = 0;

  stateAt(nowMs: number): BreakerState {
    if (this.isClosed) return BreakerState.closed;
    return nowMs < this.#hearsFromMs ? BreakerState.open : BreakerState.halfOpen;
  }

  /** Whether an answer to what was asked at this time says something about the node as it is now. */
  isNews(askedMs: number): boolean {
    return askedMs >= this.#hearsFromMs;
  }

  /**
   * Hears of an answer that is news.
   * @param isGood whether it counts and came in good time
   * @returns whether it has closed, or was closed and has opened
   */
  hear(nowMs: number, isGood: boolean): boolean {
    if (this.isClosed) {
      this.#failing += ((isGood ? 0 : 1) - this.#failing) * NEWEST_WEIGHT;
      return this.#failing >= FAILING_SHARE && this.open(nowMs);
    }
    if (!isGood) return this.open(nowMs);
    if (++this.#goodProbes < PROBES) return false;
    this.isClosed = true;
    this.#hearsFromMs = nowMs;
    this.#failing = 0;
    return true;
  }

  /**
   * The node is known to be unwell: it fails, is silent, or slow. Nothing happens while it is open.
   * @returns whether it was closed
   */
  open(nowMs: number): boolean {
    const wasClosed = this.isClosed;
    if (!wasClosed && nowMs < this.#hearsFromMs) return false;
    const isRelapse = this.opened > 0 && (!wasClosed || nowMs - this.#hearsFromMs < FORGIVEN_AFTER_MS);
    this.#holdMs = isRelapse ? Math.min(this.#holdMs * 2, MAX_HOLD_MS) : FIRST_HOLD_MS;
    this.#hearsFromMs = nowMs + this.#holdMs;
    this.#goodProbes = 0;
    this.isClosed = false;
    this.opened++;
    return wasClosed;
  }
}
