/** What `load` prints, in the manner of wrk2. Pure. */
import type { Histogram } from 'hdr-histogram-js';
import { formatAddress } from '../../address.ts';
import { formatDuration, formatSize } from '../../config/units.ts';
import { LoadOperation, OPERATION_NAMES } from './operation-mix.ts';
import type { LoadPlan } from './plan.ts';
import { type LoadResult, percentileMs } from './result.ts';
import { spectrumText } from './spectrum.ts';

const PERCENTILES = [50, 75, 90, 99, 99.9, 99.99, 99.999, 100];

/** @param withSpectrum the whole percentile spectrum too */
export function textReport(result: LoadResult, withSpectrum: boolean): string {
  const { plan, tally } = result;
  const lines = [describePlan(plan), ''];
  const histograms = tally.histograms.flatMap((histogram, operation) =>
    histogram === null ? [] : [{ name: OPERATION_NAMES[operation], histogram }],
  );
  const columns =
    histograms.length > 1 ? [{ name: 'all', histogram: tally.latency }, ...histograms] : histograms;
  lines.push('  Latency', ...table(columns));
  if (withSpectrum)
    lines.push('', '  Detailed percentile spectrum, ms:', spectrumText(tally.latency).trimEnd());
  lines.push('', ...summary(result));
  if (result.isCut) lines.push('', 'The load was ended before its time.');
  for (const fault of result.faults) lines.push('', `NOT VALID: ${fault}.`);
  return lines.join('\n');
}

/** One line: what was asked of whom, and how. */
export function describePlan(plan: LoadPlan): string {
  const { connections, durationMs, ratePerSecond, targets, threads } = plan;
  const loop = ratePerSecond > 0 ? `${ratePerSecond} requests/s offered` : 'closed loop';
  return `Load of ${formatDuration(durationMs)} @ ${targets.map((target) => `http://${formatAddress(target)}`).join(', ')}: ${describeMix(plan)}, ${loop}, ${plural(connections, 'connection')}, ${plural(threads, 'thread')}`;
}

function describeMix({ keyChoice, keys, shares, valueBytes }: LoadPlan): string {
  const parts = OPERATION_NAMES.flatMap((name, operation) => {
    const share = shares[operation];
    if (share === 0) return [];
    return [share === 1 ? name : `${Number((share * 100).toFixed(1))} % ${name}`];
  });
  const writes =
    shares[LoadOperation.put] + shares[LoadOperation.insert] + shares[LoadOperation.readModifyWrite];
  const values =
    writes === 0 ? '' : `, values of ${valueBytes === 0 ? '6 to 9 bytes' : formatSize(valueBytes)}`;
  return `${parts.join(', ')} of ${keys} keys (${keyChoice})${values}`;
}

function table(columns: readonly { readonly name: string; readonly histogram: Histogram }[]): string[] {
  const cells = (first: string, rest: readonly string[]): string =>
    `  ${first.padStart(9)}  ${rest.map((cell) => cell.padStart(18)).join('')}`.trimEnd();
  const lines =
    columns.length > 1
      ? [
          cells(
            '',
            columns.map(({ name }) => name),
          ),
        ]
      : [];
  for (const percentile of PERCENTILES) {
    const values = columns.map(({ histogram }) => describeMs(percentileMs(histogram, percentile)));
    lines.push(cells(`${percentile.toFixed(3)}%`, values));
  }
  lines.push(
    cells(
      'mean',
      columns.map(({ histogram }) => describeMs(histogram.mean / 1_000)),
    ),
  );
  return lines;
}

function summary(result: LoadResult): string[] {
  const { achievedShare, plan, requestsPerSecond, tally } = result;
  const { failures, statuses, unanswered } = tally.counts;
  const lines = [
    `  ${tally.requests} requests, ${tally.good} answered well, ${tally.errors} errors`,
    `  statuses  ${describeCounts(statuses)}`,
  ];
  const missing = Object.entries({ ...failures, unanswered }).filter(([, count]) => count > 0);
  if (missing.length > 0) lines.push(`  no answer ${describeCounts(Object.fromEntries(missing))}`);
  lines.push(`Requests/sec: ${requestsPerSecond.toFixed(2)}${describeShare(plan, achievedShare)}`);
  return lines;
}

function describeShare({ ratePerSecond }: LoadPlan, achievedShare: number): string {
  if (ratePerSecond === 0) return '';
  return `, ${(achievedShare * 100).toFixed(1)} % of what was offered`;
}

function describeCounts(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name}: ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

export function describeMs(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)}s`;
  return ms >= 1 ? `${ms.toFixed(2)}ms` : `${(ms * 1_000).toFixed(0)}us`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
