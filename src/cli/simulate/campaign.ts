/** Runs many seeds over threads, until all have run, the time is over, or somebody stops it. */
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { Clock } from '../../clock.ts';
import { Coverage } from '../../simulation/coverage.ts';
import type { FailedSeed, SeedRange, SeedResult } from './worker.ts';

/** So few that the time and a Ctrl-C are heeded soon. */
const SEEDS_AT_ONCE = 10;
/** What can be said of so many says enough. */
const MAX_FAILED = 20;

interface CampaignPlan {
  readonly firstSeed: number;
  readonly seeds: number;
  readonly threads: number;
  /** Infinity: until all have run. */
  readonly maxMs: number;
}

export interface CampaignResult {
  readonly threads: number;
  readonly seeds: number;
  readonly requests: number;
  readonly faults: number;
  readonly simulatedMs: number;
  readonly ranMs: number;
  readonly coverage: Coverage;
  readonly failed: readonly FailedSeed[];
}

export class Campaign {
  readonly #plan: CampaignPlan;
  readonly #clock: Clock;
  readonly #coverage = new Coverage();
  readonly #failed: FailedSeed[] = [];
  readonly #startedMs: number;
  #begun = 0;
  #seeds = 0;
  #requests = 0;
  #faults = 0;
  #simulatedMs = 0;

  constructor(plan: CampaignPlan, clock: Clock) {
    this.#plan = plan;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  get seedsDone(): number {
    return this.#seeds;
  }

  /** @param signal its abort ends it: what has come by then counts */
  async run(signal: AbortSignal): Promise<CampaignResult> {
    const { threads } = this.#plan;
    const pool = new Piscina<SeedRange, readonly SeedResult[]>({
      filename: new URL(`./worker${extname(import.meta.url)}`, import.meta.url).href,
      name: 'run',
      minThreads: threads,
      maxThreads: threads,
      atomics: 'disabled',
      recordTiming: false,
    });
    try {
      const line = async (): Promise<void> => {
        for (let range = this.#next(signal); range !== null; range = this.#next(signal))
          for (const result of await pool.run(range)) this.#add(result);
      };
      await Promise.all(Array.from({ length: threads }, line));
    } finally {
      await pool.destroy();
    }
    return {
      threads,
      seeds: this.#seeds,
      requests: this.#requests,
      faults: this.#faults,
      simulatedMs: this.#simulatedMs,
      ranMs: this.#ranMs,
      coverage: this.#coverage,
      failed: this.#failed,
    };
  }

  get #ranMs(): number {
    return this.#clock.monotonicMs() - this.#startedMs;
  }

  #next(signal: AbortSignal): SeedRange | null {
    const { firstSeed, maxMs, seeds } = this.#plan;
    if (signal.aborted || this.#ranMs >= maxMs || this.#failed.length >= MAX_FAILED) return null;
    const count = Math.min(SEEDS_AT_ONCE, seeds - this.#begun);
    if (count === 0) return null;
    const first = firstSeed + this.#begun;
    this.#begun += count;
    return { first, count };
  }

  #add({ coverage, failed, faults, requests, simulatedMs }: SeedResult): void {
    this.#seeds++;
    this.#requests += requests;
    this.#faults += faults;
    this.#simulatedMs += simulatedMs;
    this.#coverage.add(Coverage.fromCounts(coverage));
    if (failed !== null) this.#failed.push(failed);
  }
}
