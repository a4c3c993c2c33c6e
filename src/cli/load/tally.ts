/**
 * What became of requests: latencies by operation and answers by kind, for a whole run and for its seconds. Two of them
 * add up, also from other threads. Latencies are microseconds, in an HdrHistogram of three digits.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import { NoAnswer } from './no-answer.ts';
import { OPERATION_NAMES } from './operation-mix.ts';

/** Ten minutes: a run whose requests take longer says so with it. */
const MAX_LATENCY_MICROS = 600_000_000;

function createHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_LATENCY_MICROS,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

/** Answers and what came instead of them. Plain data. */
interface Counts {
  /** By status. */
  readonly statuses: Record<string, number>;
  /** By `NoAnswer`. */
  readonly failures: Record<NoAnswer, number>;
  /** Sent or due, and without an answer at the end. */
  unanswered: number;
}

/** As it goes from thread to thread and into files. */
export interface TallyData {
  readonly counts: Counts;
  /** By the operation's name, in base64 of HdrHistogram's own compressed form. */
  readonly histograms: Record<string, string>;
  /** How late the generator itself was with requests that had a connection. */
  readonly lateness: string;
}

export class Tally {
  readonly counts: Counts = {
    statuses: {},
    failures: { refused: 0, broken: 0, malformed: 0 },
    unanswered: 0,
  };
  readonly lateness = createHistogram();
  readonly #byOperation: (Histogram | null)[] = OPERATION_NAMES.map(() => null);

  /** Decodes histograms, which takes a while: once for what comes from a thread. */
  static of({ counts, histograms, lateness }: TallyData): Tally {
    const tally = new Tally();
    tally.#count(counts);
    for (const [operation, name] of OPERATION_NAMES.entries())
      if (name in histograms) tally.#byOperation[operation] = decodeFromCompressedBase64(histograms[name]);
    tally.lateness.add(decodeFromCompressedBase64(lateness));
    return tally;
  }

  answered(operation: number, status: number, latencyMs: number): void {
    this.counts.statuses[status] = (this.counts.statuses[status] ?? 0) + 1;
    this.#record(operation, latencyMs);
  }

  failed(operation: number, why: NoAnswer, latencyMs: number): void {
    this.counts.failures[why]++;
    this.#record(operation, latencyMs);
  }

  /** It counts with the time it has waited: that is what its latency is at least. */
  unanswered(operation: number, waitedMs: number): void {
    this.counts.unanswered++;
    this.#record(operation, waitedMs);
  }

  sent(latenessMs: number): void {
    this.lateness.recordValue(microsOf(latenessMs));
  }

  /** By operation; null where there was none. */
  get histograms(): readonly (Histogram | null)[] {
    return this.#byOperation;
  }

  /** Of all operations. */
  get latency(): Histogram {
    const all = createHistogram();
    for (const histogram of this.#byOperation) if (histogram !== null) all.add(histogram);
    return all;
  }

  get requests(): number {
    return this.#byOperation.reduce((sum, histogram) => sum + (histogram?.totalCount ?? 0), 0);
  }

  /** 2xx, and 404: there is nothing under the key, which is an answer. */
  get good(): number {
    return Object.entries(this.counts.statuses).reduce(
      (sum, [status, count]) => (isGood(Number(status)) ? sum + count : sum),
      0,
    );
  }

  get errors(): number {
    return this.requests - this.good;
  }

  add(other: Tally): void {
    this.#count(other.counts);
    for (const [operation, histogram] of other.#byOperation.entries())
      if (histogram !== null) this.#histogram(operation).add(histogram);
    this.lateness.add(other.lateness);
  }

  data(): TallyData {
    const histograms: Record<string, string> = {};
    for (const [operation, histogram] of this.#byOperation.entries())
      if (histogram !== null) histograms[OPERATION_NAMES[operation]] = encodeIntoCompressedBase64(histogram);
    return { counts: this.counts, histograms, lateness: encodeIntoCompressedBase64(this.lateness) };
  }

  #count({ failures, statuses, unanswered }: Counts): void {
    for (const [status, count] of Object.entries(statuses))
      this.counts.statuses[status] = (this.counts.statuses[status] ?? 0) + count;
    for (const failure of Object.values(NoAnswer)) this.counts.failures[failure] += failures[failure];
    this.counts.unanswered += unanswered;
  }

  #record(operation: number, latencyMs: number): void {
    this.#histogram(operation).recordValue(microsOf(latencyMs));
  }

  #histogram(operation: number): Histogram {
    let histogram = this.#byOperation[operation];
    if (histogram === null) {
      histogram = createHistogram();
      this.#byOperation[operation] = histogram;
    }
    return histogram;
  }
}

export function isGood(status: number): boolean {
  return (status >= 200 && status < 300) || status === 404;
}

function microsOf(ms: number): number {
  return Math.min(Math.max(Math.round(ms * 1_000), 1), MAX_LATENCY_MICROS);
}
