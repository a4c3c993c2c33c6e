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
/** What was not measured for so long is believed to have become faster. */
const TICKS_TO_DISTRUST = 20;
/** Ticks without a word after which it counts as silent: twice what nearly all answers take, within these bounds. */
const MIN_SILENT_TICKS = 4;
const MAX_SILENT_TICKS = 10;

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
  smoothedMs = 0;
  /** 0: too few answers to tell. */
  p99Ms = 0;
  /** Above this it is slow. */
  slowAboveMs = Number.POSITIVE_INFINITY;
  /** When others are asked in its place. */
  hedgeDelayMs: number;
  /** Reads that it was asked as a hedge, and those whose answer it made complete in time. */
  hedges = 0;
  hedgesWon = 0;
  /** Ticks in a row in which it said nothing although it was asked. */
  #silentTicks = 0;
  #hasSpoken = false;
  readonly #delays: HedgeDelays;
  readonly #latencies = new LatencyHistogram();
  #answersToLookup = MIN_ANSWERS;
  #ticksToHalving = TICKS_PER_HALVING;
  #ticksUnmeasured = 0;

  constructor(nodeId: string, delays: HedgeDelays) {
    this.nodeId = nodeId;
    this.#delays = delays;
    this.hedgeDelayMs = delays.maxMs;
  }

  /** It was asked. */
  ask(): void {
    this.inFlight++;
  }

  /**
   * It gave an answer that counts.
   * @returns whether its breaker has opened or closed
   */
  answer(latencyMs: number, nowMs: number): boolean {
    this.#hasSpoken = true;
    this.#ticksUnmeasured = 0;
    const { breaker } = this;
    const isFirst = this.smoothedMs === 0;
    this.smoothedMs += isFirst ? latencyMs : (latencyMs - this.smoothedMs) * NEWEST_WEIGHT;
    if (breaker.isClosed) this.#measure(latencyMs);
    const hasChanged = breaker.hear(
      nowMs - latencyMs,
      nowMs,
      breaker.isClosed || latencyMs <= this.slowAboveMs,
    );
    // What it was like before is over.
    if (hasChanged && breaker.isClosed) this.smoothedMs = latencyMs;
    return hasChanged;
  }

  /**
   * It failed, or gave an answer that does not count, or none in time.
   * @returns whether its breaker has opened
   */
  fail(latencyMs: number, nowMs: number, isSilent: boolean): boolean {
    if (!isSilent) this.#hasSpoken = true;
    return this.breaker.hear(nowMs - latencyMs, nowMs, false);
  }

  /**
   * Lets a step of time pass, while reads are under way or a breaker is not closed. Silence is measured in ticks and not in
   * time: a process that was itself stopped for a while misses its own ticks as well.
   * @returns whether its breaker, which was closed, has opened
   */
  tick(nowMs: number): boolean {
    this.breaker.tick(nowMs);
    this.#silentTicks = this.inFlight > 0 && !this.#hasSpoken ? this.#silentTicks + 1 : 0;
    this.#hasSpoken = false;
    if (--this.#ticksToHalving === 0) {
      this.#ticksToHalving = TICKS_PER_HALVING;
      this.#latencies.halve();
    }
    // One that is not asked because it was slow would never be found to be fast again.
    if (++this.#ticksUnmeasured % TICKS_TO_DISTRUST === 0) this.smoothedMs /= 2;
    const isSilent = this.#silentTicks >= this.#silentTicksAllowed;
    const isSlow = this.smoothedMs > this.slowAboveMs && this.breaker.isClosed;
    return (isSilent || isSlow) && this.breaker.open(nowMs);
  }

  get #silentTicksAllowed(): number {
    return Math.min(Math.max((2 * this.p99Ms) / TICK_MS, MIN_SILENT_TICKS), MAX_SILENT_TICKS);
  }

  #measure(latencyMs: number): void {
    this.#latencies.record(latencyMs);
    if (--this.#answersToLookup > 0) return;
    this.#answersToLookup = ANSWERS_PER_LOOKUP;
    this.p99Ms = this.#latencies.quantileMs(HEDGED_QUANTILE);
    this.hedgeDelayMs = Math.min(Math.max(this.p99Ms, this.#delays.minMs), this.#delays.maxMs);
  }
}
