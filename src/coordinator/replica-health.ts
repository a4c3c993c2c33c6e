import { CircuitBreaker } from './circuit-breaker.ts';
import { LatencyHistogram } from './latency-histogram.ts';

/** How long a tick is. */
export const TICK_MS = 50;
/** What of the smoothed latency is the newest answer's. */
const NEWEST_WEIGHT = 1 / 8;
const HEDGED_QUANTILE = 0.99;
/** With fewer answers their 99th percentile means little. */
const MIN_ANSWERS = 16;
/** The percentile is looked up again after so many answers: it changes slowly. */
const ANSWERS_PER_LOOKUP = 32;
const TICKS_PER_HALVING = 200;
/** Each time that a node was not measured for so long, it is believed to have become twice as fast. */
const TICKS_PER_DISTRUST = 20;
/** Ticks without a word after which it counts as silent: twice what nearly all answers take, within these bounds. */
const MIN_SILENT_TICKS = 4;
const MAX_SILENT_TICKS = 10;
/** As long as it is not known how long its answers take: the first ones may be large, or of a node that has just begun. */
const FIRST_SILENT_TICKS = 8;
/** It is slow when it was in so many ticks in a row: when load comes or goes, other nodes are slower or faster for a moment. */
const SLOW_TICKS = 2;
/** And not by its first answers, nor by those just after its breaker closed. */
const MIN_ANSWERS_TO_BE_SLOW = 8;
/** What is usual for a node becomes twice as long in a minute at the most: slow for so long, it is so now. */
const USUAL_RISE_PER_TICK = 2 ** (TICK_MS / 60_000);
const NO_ANSWER = -1;

/** Who had less time to answer than is needed to call it silent has not failed when it did not. */
const FAIR_TIMEOUT_MS = MIN_SILENT_TICKS * TICK_MS;

/** How long a replica may take before others are asked in its place. */
export interface HedgeDelays {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * What this node knows of another one as a replica, or of itself, from its answers to reads: how fast it is, what it has
 * in work, and whether it can be relied upon. It is kept across views of the cluster. Only good answers say how fast a
 * node is, so one that refuses quickly is not taken for a fast one; and how it was while its breaker was not closed is
 * not what is expected of it afterwards. Pure: time is the caller's.
 */
export class ReplicaHealth {
  readonly nodeId: string;
  readonly breaker = new CircuitBreaker();
  /** Reads that it was asked and has not answered. */
  inFlight = 0;
  /** Reads that it was asked since the start. */
  asked = 0;
  /** Of them as a hedge, and those whose answer was one of the `ack` that made a read complete. */
  hedges = 0;
  hedgesWon = 0;
  /** 0: it was never measured. */
  smoothedMs = 0;
  /** 0: too few answers to tell. */
  p99Ms = 0;
  /** The lowest that its smoothed latency was lately; 0: it was never measured. A node far away takes long, and is well. */
  usualMs = 0;
  /** Above this it is slow. */
  slowAboveMs = Number.POSITIVE_INFINITY;
  /** When others are asked in its place. */
  hedgeDelayMs: number;
  readonly #delays: HedgeDelays;
  readonly #latencies = new LatencyHistogram();
  #answersToLookup = MIN_ANSWERS;
  #ticksToHalving = TICKS_PER_HALVING;
  #ticksUnmeasured = 0;
  /** What is left of the belief in its smoothed latency: one that is not asked for being slow must be tried again. */
  #trust = 1;
  /** Ticks in a row in which it said nothing although it was asked. */
  #silentTicks = 0;
  #hasSpoken = false;
  /** Ticks in a row in which it was slow; those in which it did not answer are passed over. */
  #slowTicks = 0;
  /** How long its latest answer in this tick took. */
  #latestMs = NO_ANSWER;
  /** Since the start, or since its breaker closed. */
  #answers = 0;

  constructor(nodeId: string, delays: HedgeDelays) {
    this.nodeId = nodeId;
    this.#delays = delays;
    this.hedgeDelayMs = delays.maxMs;
  }

  /** Whether its smoothed latency is of the last second. */
  get isMeasured(): boolean {
    return this.smoothedMs > 0 && this.#trust === 1;
  }

  /** How long one more read would take: as long as another, once for each that it has in work and once for this. */
  get expectedMs(): number {
    return this.smoothedMs * this.#trust * (this.inFlight + 1);
  }

  /** It was asked. */
  ask(): void {
    this.inFlight++;
    this.asked++;
  }

  /**
   * It gave an answer that counts.
   * @returns whether its breaker has opened or closed
   */
  succeed(latencyMs: number, nowMs: number): boolean {
    this.#hasSpoken = true;
    const { breaker } = this;
    if (!breaker.isNews(nowMs - latencyMs)) return false;
    const wasClosed = breaker.isClosed;
    const isGood = wasClosed || latencyMs <= this.slowAboveMs;
    this.#believe();
    this.#latestMs = latencyMs;
    this.#answers++;
    this.smoothedMs += this.smoothedMs === 0 ? latencyMs : (latencyMs - this.smoothedMs) * NEWEST_WEIGHT;
    const hasTurned = breaker.hear(nowMs, isGood);
    if (wasClosed) this.#measure(latencyMs);
    else if (breaker.isClosed) {
      // It is over what it was like until now.
      this.smoothedMs = latencyMs;
      this.#answers = 0;
    }
    return hasTurned;
  }

  /**
   * It had too much to do, or too much is on its way to it. That is no fault: with its breaker open it would be asked
   * more often still. But it is not believed to have become faster either.
   * @param isItsWord whether it says so itself; otherwise it was not asked, and may as well be silent
   */
  decline(isItsWord: boolean): void {
    if (isItsWord) this.#hasSpoken = true;
    this.#believe();
  }

  /**
   * It failed, or gave an answer that does not count.
   * @param isSilent no answer came in time
   * @returns whether its breaker has opened
   */
  fail(latencyMs: number, nowMs: number, isSilent: boolean): boolean {
    if (!isSilent) this.#hasSpoken = true;
    else if (latencyMs < FAIR_TIMEOUT_MS) return false;
    return this.breaker.isNews(nowMs - latencyMs) && this.breaker.hear(nowMs, false);
  }

  /**
   * Lets a tick pass, while reads are under way. Silence is measured in ticks and not in time: a process that was itself
   * stopped for a while misses its own ticks as well.
   * @returns whether its breaker has opened
   */
  tick(nowMs: number): boolean {
    if (--this.#ticksToHalving === 0) {
      this.#ticksToHalving = TICKS_PER_HALVING;
      this.#latencies.halve();
    }
    if (this.isMeasured) this.usualMs = Math.min(this.smoothedMs, this.#risenUsualMs);
    if (++this.#ticksUnmeasured % TICKS_PER_DISTRUST === 0) this.#trust /= 2;
    this.#silentTicks = this.inFlight > 0 && !this.#hasSpoken ? this.#silentTicks + 1 : 0;
    this.#hasSpoken = false;
    if (this.#latestMs !== NO_ANSWER) this.#slowTicks = this.#isSlow ? this.#slowTicks + 1 : 0;
    this.#latestMs = NO_ANSWER;
    const isBad = this.#slowTicks >= SLOW_TICKS || this.#silentTicks >= this.#silentTicksAllowed;
    if (!isBad) return false;
    this.#slowTicks = 0;
    return this.breaker.open(nowMs);
  }

  get #risenUsualMs(): number {
    return this.usualMs === 0 ? Number.POSITIVE_INFINITY : this.usualMs * USUAL_RISE_PER_TICK;
  }

  /** The latest answer counts as well: what it was like before says nothing of one that was not asked since. */
  get #isSlow(): boolean {
    if (!this.breaker.isClosed || this.#answers < MIN_ANSWERS_TO_BE_SLOW) return false;
    return Math.min(this.smoothedMs, this.#latestMs) > this.slowAboveMs;
  }

  get #silentTicksAllowed(): number {
    if (this.p99Ms === 0) return FIRST_SILENT_TICKS;
    return Math.min(Math.max((2 * this.p99Ms) / TICK_MS, MIN_SILENT_TICKS), MAX_SILENT_TICKS);
  }

  #believe(): void {
    this.#ticksUnmeasured = 0;
    this.#trust = 1;
  }

  #measure(latencyMs: number): void {
    this.#latencies.record(latencyMs);
    if (--this.#answersToLookup > 0) return;
    this.#answersToLookup = ANSWERS_PER_LOOKUP;
    this.p99Ms = this.#latencies.quantileMs(HEDGED_QUANTILE);
    this.hedgeDelayMs = Math.min(Math.max(this.p99Ms, this.#delays.minMs), this.#delays.maxMs);
  }
}
