/** What a load has shown, and whether it may be believed. */
import type { Histogram } from 'hdr-histogram-js';
import type { ThreadSecond } from './generator.ts';
import type { LoadPlan } from './plan.ts';
import { Tally } from './tally.ts';

/** Beyond these the generator, and not what it asked, may have made the figures. */
const MAX_BUSY_SHARE = 0.95;
const MAX_LATENESS_MS = 10;
const LATENESS_PERCENTILE = 99;

/** A second of the measured time. */
export interface LoadSecond {
  /** From 0, the warm-up not counted. */
  readonly second: number;
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LoadResult {
  readonly plan: LoadPlan;
  readonly tally: Tally;
  /**
   * What was due in the measured time and has an answer, errors among them, over that time and as long as it took
   * after it beyond the median latency: the last answer of a load that keeps up comes so late, too.
   */
  readonly requestsPerSecond: number;
  /** The part of the offered rate that was achieved; 1 for a closed loop. */
  readonly achievedShare: number;
  readonly seconds: readonly LoadSecond[];
  /** Of the busiest thread. */
  readonly busyShare: number;
  /** Why the figures are not those of what was asked; empty when they are. */
  readonly faults: readonly string[];
  /** It was ended before its time. */
  readonly isCut: boolean;
}

interface OpenSecond {
  /** Of the threads that have told it. */
  readonly tally: Tally;
  threads: number;
}

/** Gathers the seconds of all threads. Each thread tells its own in their order. */
export class LoadRecorder {
  readonly #plan: LoadPlan;
  readonly #total = new Tally();
  #lagMs = 0;
  readonly #seconds: LoadSecond[] = [];
  /** Seconds that not all threads have told yet, in their order. */
  readonly #open = new Map<number, OpenSecond>();

  constructor(plan: LoadPlan) {
    this.#plan = plan;
  }

  /** Of the measured time so far. */
  get tally(): Tally {
    return this.#total;
  }

  add({ lagMs, phase, second, tally }: ThreadSecond): void {
    if (phase === 'warm-up') return;
    const part = Tally.of(tally);
    this.#total.add(part);
    this.#lagMs = Math.max(this.#lagMs, lagMs);
    if (phase === 'after') return;
    const open = this.#open.get(second) ?? { tally: new Tally(), threads: 0 };
    open.tally.add(part);
    open.threads++;
    if (open.threads < this.#plan.threads) this.#open.set(second, open);
    else {
      this.#open.delete(second);
      this.#close(open);
    }
  }

  result(busyShare: number, isCut: boolean): LoadResult {
    // Those of a load that was cut.
    for (const open of this.#open.values()) this.#close(open);
    this.#open.clear();
    const seconds = this.#seconds;
    const { counts, requests } = this.#total;
    const { durationMs, ratePerSecond, warmUpMs } = this.#plan;
    const lateMs = Math.max(this.#lagMs - percentileMs(this.#total.latency, 50), 0);
    const measuredMs = isCut ? Math.max(seconds.length, 1) * 1_000 : durationMs + lateMs;
    const requestsPerSecond = ((requests - counts.unanswered) * 1_000) / measuredMs;
    const due = dueWithin(ratePerSecond, warmUpMs, durationMs);
    const achievedShare = due === 0 ? 1 : (requestsPerSecond * durationMs) / 1_000 / due;
    const faults = this.#faults(busyShare);
    // What was ended at once has nothing to show, and nobody expects it.
    if (requests === 0 && !isCut)
      faults.push(
        'no request was due in the measured time, so there are no figures: let it run longer, or ask for more --rate',
      );
    return {
      plan: this.#plan,
      tally: this.#total,
      requestsPerSecond,
      achievedShare,
      seconds,
      busyShare,
      faults,
      isCut,
    };
  }

  /** Only figures are kept of a second: the histograms of all of them would fill the memory. */
  #close({ tally }: OpenSecond): void {
    const { errors, latency, requests } = tally;
    this.#seconds.push({
      second: this.#seconds.length,
      requests,
      errors,
      p50Ms: percentileMs(latency, 50),
      p99Ms: percentileMs(latency, 99),
      maxMs: latency.totalCount === 0 ? 0 : latency.maxValue / 1_000,
    });
  }

  #faults(busyShare: number): string[] {
    const faults: string[] = [];
    if (busyShare > MAX_BUSY_SHARE) {
      faults.push(
        `a thread of the load was busy ${(busyShare * 100).toFixed(0)} % of the time: the figures are its own limit, use more --threads or another machine`,
      );
    }
    const latenessMs = percentileMs(this.#total.lateness, LATENESS_PERCENTILE);
    if (latenessMs > MAX_LATENESS_MS) {
      faults.push(
        `the load itself was late: one request in a hundred was sent ${latenessMs.toFixed(1)} ms after it was due, or later, though a connection was free; leave it more CPU`,
      );
    }
    return faults;
  }
}

/** Requests that are due in the measured time: a rate may ask for a part of one. */
function dueWithin(ratePerSecond: number, warmUpMs: number, durationMs: number): number {
  return (
    Math.floor((ratePerSecond * (warmUpMs + durationMs)) / 1_000) -
    Math.floor((ratePerSecond * warmUpMs) / 1_000)
  );
}

/** 0 where there is none. */
export function percentileMs(histogram: Histogram, percentile: number): number {
  return histogram.totalCount === 0 ? 0 : histogram.getValueAtPercentile(percentile) / 1_000;
}
