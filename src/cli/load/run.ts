/** One load, or a search for a rate, from its plan to its result: threads, progress, and what happens on Ctrl-C. */
import { type Clock, seededRandom, systemClock } from '../../clock.ts';
import { exitCodeOfSignal, Interrupted } from '../interrupted.ts';
import type { ProgressOutput } from '../progress.ts';
import { StopSignals } from '../stop-signals.ts';
import type { LoadPlan } from './plan.ts';
import { Preparation } from './prepare.ts';
import { LoadProgress } from './progress-line.ts';
import { RateSearch } from './rate-search.ts';
import { LoadRecorder, type LoadResult, percentileMs } from './result.ts';
import { runThreads } from './threads.ts';

const SHARE_TO_ACHIEVE = 0.99;
const SLO_PERCENTILE = 99;
const FIRST_RATE = 1_000;

/** One rate that was tried. */
export interface ProbeResult {
  readonly ratePerSecond: number;
  readonly isConfirming: boolean;
  readonly holds: boolean;
  /** Why it does not; empty when it does. */
  readonly why: string;
  readonly result: LoadResult;
}

export interface FoundRate {
  /** 0: none held. */
  readonly ratePerSecond: number;
  readonly probes: readonly ProbeResult[];
}

export class LoadRun implements Disposable {
  readonly #output: ProgressOutput;
  readonly #clock: Clock = systemClock;
  readonly #stop = new AbortController();
  readonly #signals: StopSignals;
  #interruptedBy: NodeJS.Signals | null = null;

  /** The first signal ends what is under way and lets it report what it has; another ends the command. */
  constructor(output: ProgressOutput) {
    this.#output = output;
    this.#signals = new StopSignals(this.#clock, (count, signal) => {
      this.#interruptedBy = signal;
      this.#stop.abort(new Interrupted(signal, 'interrupted'));
      if (count > 1) process.exit(exitCodeOfSignal(signal));
    });
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The signal that has ended it, if one did. */
  get interruptedBy(): NodeJS.Signals | null {
    return this.#interruptedBy;
  }

  [Symbol.dispose](): void {
    this.#signals[Symbol.dispose]();
  }

  /** Writes every key once. */
  async prepare(plan: LoadPlan): Promise<void> {
    const preparation = new Preparation(plan, this.#clock, seededRandom(plan.seed));
    using _progress = LoadProgress.ofPreparation(plan, preparation, this.#clock, this.#output);
    await preparation.run(this.#stop.signal);
  }

  async load(plan: LoadPlan): Promise<LoadResult> {
    const recorder = new LoadRecorder(plan);
    using progress = LoadProgress.ofLoad(plan, recorder, this.#clock, this.#output);
    const busyShare = await runThreads(
      plan,
      (second) => {
        recorder.add(second);
        progress.onSecond(second);
      },
      this.#stop.signal,
    );
    return recorder.result(busyShare, this.#stop.signal.aborted);
  }

  /**
   * @param plan its rate is the first that is tried
   * @param sloMs the p99 must be below it
   * @param onProbe told of each rate that was tried
   */
  async findRate(plan: LoadPlan, sloMs: number, onProbe: (probe: ProbeResult) => void): Promise<FoundRate> {
    const search = new RateSearch(plan.ratePerSecond > 0 ? plan.ratePerSecond : FIRST_RATE);
    const probes: ProbeResult[] = [];
    for (let next = search.next(); next !== null; next = search.next()) {
      const { isConfirming, ratePerSecond } = next;
      const result = await this.load({ ...plan, ratePerSecond });
      if (result.isCut) return { ratePerSecond: 0, probes };
      const why = whyNot(result, sloMs);
      const probe = { ratePerSecond, isConfirming, holds: why === '', why, result };
      probes.push(probe);
      onProbe(probe);
      search.report(probe.holds);
    }
    return { ratePerSecond: search.found, probes };
  }
}

/** Why a rate does not hold; empty when it does. */
export function whyNot({ achievedShare, faults, tally }: LoadResult, sloMs: number): string {
  if (faults.length > 0) return `not valid: ${faults[0]}`;
  if (tally.errors > 0) return `${tally.errors} errors`;
  if (achievedShare < SHARE_TO_ACHIEVE) return `${(achievedShare * 100).toFixed(1)} % of the rate achieved`;
  const p99Ms = percentileMs(tally.latency, SLO_PERCENTILE);
  return p99Ms < sloMs ? '' : `p99 ${p99Ms.toFixed(1)} ms`;
}
