/** A load's result as a file, for programs and for later comparison. Pure. */
import { QuorateError } from '../../errors.ts';
import { OPERATION_NAMES } from './operation-mix.ts';
import type { LoadPlan } from './plan.ts';
import { type LoadResult, type LoadSecond, percentileMs } from './result.ts';
import { type SpectrumPoint, spectrumPoints } from './spectrum.ts';
import { describePlan } from './text-report.ts';

/** Raised when an older file would be misread. */
export const LOAD_FILE_VERSION = 1;

interface OperationFigures {
  readonly requests: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface LoadFile {
  readonly version: number;
  readonly name: string;
  readonly plan: LoadPlan;
  readonly isValid: boolean;
  readonly faults: readonly string[];
  readonly isCut: boolean;
  readonly requestsPerSecond: number;
  readonly achievedShare: number;
  readonly requests: number;
  readonly good: number;
  readonly errors: number;
  readonly statuses: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly unanswered: number;
  /** By operation, and `all`. */
  readonly latencies: Readonly<Record<string, OperationFigures>>;
  readonly spectrum: readonly SpectrumPoint[];
  readonly seconds: readonly LoadSecond[];
  /** How the generator itself did. */
  readonly generator: {
    readonly busyShare: number;
    readonly latenessP99Ms: number;
    readonly latenessMaxMs: number;
  };
  /** Of all operations, in HdrHistogram's compressed form; microseconds. */
  readonly histograms: Readonly<Record<string, string>>;
}

export function loadFileOf(result: LoadResult): LoadFile {
  const { achievedShare, busyShare, faults, isCut, plan, requestsPerSecond, seconds, tally } = result;
  const { counts, lateness } = tally;
  const all = tally.latency;
  const latencies: Record<string, OperationFigures> = { all: figuresOf(all) };
  for (const [operation, histogram] of tally.histograms.entries())
    if (histogram !== null) latencies[OPERATION_NAMES[operation]] = figuresOf(histogram);
  return {
    version: LOAD_FILE_VERSION,
    name: describePlan(plan),
    plan,
    isValid: faults.length === 0,
    faults,
    isCut,
    requestsPerSecond,
    achievedShare,
    requests: tally.requests,
    good: tally.good,
    errors: tally.errors,
    statuses: counts.statuses,
    failures: counts.failures,
    unanswered: counts.unanswered,
    latencies,
    spectrum: spectrumPoints(all),
    seconds,
    generator: {
      busyShare,
      latenessP99Ms: percentileMs(lateness, 99),
      latenessMaxMs: percentileMs(lateness, 100),
    },
    histograms: tally.data().histograms,
  };
}

/** @throws QuorateError INVALID_CONFIG for a text that is no result of a load, or one of another version */
export function parseLoadFile(text: string, name: string): LoadFile {
  let parsed: Partial<LoadFile> | null;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = null;
  }
  if (
    parsed?.version !== LOAD_FILE_VERSION ||
    !Array.isArray(parsed.spectrum) ||
    !Array.isArray(parsed.seconds)
  )
    throw new QuorateError('INVALID_CONFIG', `${name} is no result of a load, as \`load --json\` writes it`);
  return parsed as LoadFile;
}

function figuresOf(histogram: Parameters<typeof percentileMs>[0]): OperationFigures {
  return {
    requests: histogram.totalCount,
    meanMs: histogram.mean / 1_000,
    p50Ms: percentileMs(histogram, 50),
    p90Ms: percentileMs(histogram, 90),
    p99Ms: percentileMs(histogram, 99),
    p999Ms: percentileMs(histogram, 99.9),
    maxMs: percentileMs(histogram, 100),
  };
}
