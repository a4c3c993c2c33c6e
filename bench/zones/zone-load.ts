/** GETs and PUTs at a constant rate, in equal parts, and what became of each. */
import { LoadOperation, sharesOf } from '../../src/cli/load/operation-mix.ts';
import type { LoadPlan } from '../../src/cli/load/plan.ts';
import { LoadRecorder, type LoadResult, percentileMs } from '../../src/cli/load/result.ts';
import { runThreads } from '../../src/cli/load/threads.ts';

export const QUORUM = { ack: 2, from: 3 } as const;
export const KEYS = 3_000;
const SEED = 9;
/** More than are under way at a time, also when each takes a second. */
const CONNECTIONS_A_REQUEST_A_SECOND = 1.5;
const METHODS = { GET: LoadOperation.get, PUT: LoadOperation.put } as const;

export interface MethodFigures {
  readonly method: keyof typeof METHODS;
  /** Of all requests, answered well or not. */
  readonly requests: number;
  /** With `near`, a third of the keys are in the zone of a client: the quarter that is fastest is of these. */
  readonly p25Ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
  readonly answeredShare: number;
}

export interface ZoneFigures {
  readonly methods: readonly MethodFigures[];
  readonly notEnoughReplicas: number;
  /** Neither answered well nor with 504. */
  readonly otherErrors: number;
  /** Why the figures are not to be believed; empty when they are. */
  readonly faults: readonly string[];
}

export function zonePlan(ports: readonly number[], ratePerSecond: number, durationMs: number): LoadPlan {
  return {
    targets: ports.map((port) => ({ host: '127.0.0.1', port })),
    connections: Math.ceil(ratePerSecond * CONNECTIONS_A_REQUEST_A_SECOND),
    ratePerSecond,
    warmUpMs: 0,
    durationMs,
    shares: sharesOf({ get: 1, put: 1 }),
    keys: KEYS,
    keyChoice: 'uniform',
    keyDigits: 0,
    valueBytes: 0,
    maxScanEntries: 1,
    ...QUORUM,
    consistency: 'default',
    threads: 1,
    seed: SEED,
  };
}

export async function runZoneLoad(plan: LoadPlan): Promise<ZoneFigures> {
  const recorder = new LoadRecorder(plan);
  const busyShare = await runThreads(plan, (second) => recorder.add(second), new AbortController().signal);
  return zoneFiguresOf(recorder.result(busyShare, false));
}

export function zoneFiguresOf({ faults, tally }: LoadResult): ZoneFigures {
  const { histograms } = tally;
  const statuses = new Map(Object.entries(tally.counts.statuses).map(([status, n]) => [Number(status), n]));
  const answered = (...good: number[]): number =>
    good.reduce((sum, status) => sum + (statuses.get(status) ?? 0), 0);
  const well = { GET: answered(200, 404), PUT: answered(201) };
  const methods = (['GET', 'PUT'] as const).map((method) => {
    const histogram = histograms[METHODS[method]];
    if (histogram === null) throw new Error(`no ${method} was sent: the load was too short`);
    return {
      method,
      requests: histogram.totalCount,
      p25Ms: percentileMs(histogram, 25),
      p50Ms: percentileMs(histogram, 50),
      p99Ms: percentileMs(histogram, 99),
      meanMs: histogram.mean / 1_000,
      answeredShare: well[method] / histogram.totalCount,
    };
  });
  const notEnoughReplicas = statuses.get(504) ?? 0;
  const otherErrors = tally.errors - notEnoughReplicas;
  return { methods, notEnoughReplicas, otherErrors, faults };
}
