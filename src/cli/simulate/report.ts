/** What `simulate` prints. Pure. */
import { PROGRAM } from '../../program.ts';
import { type Coverage, TRAFFIC_KINDS } from '../../simulation/coverage.ts';
import type { Violation } from '../../simulation/history.ts';
import { FaultKind, type Plan } from '../../simulation/plan/plan.ts';
import { idsOf } from '../../simulation/shrink.ts';
import type { CampaignResult } from './campaign.ts';

const FAULT_KINDS: readonly FaultKind[] = Object.values(FaultKind);

export function summaryLines(result: CampaignResult): string[] {
  const { failed, faults, ranMs, requests, seeds, simulatedMs, threads } = result;
  const seconds = ranMs / 1000;
  const inThreads =
    threads === 1 ? 'one thread' : `${threads} threads, ${Math.round(requests / seconds / threads)} in each`;
  return [
    `${seeds} seeds, ${requests} requests, ${faults} faults, ${(simulatedMs / 60_000).toFixed(1)} minutes of simulated time`,
    `in ${seconds.toFixed(1)} s: ${Math.round(requests / seconds)} requests/s in ${inThreads}; ${(seeds / seconds).toFixed(1)} seeds/s`,
    `seeds that broke a promise: ${failed.length}`,
  ];
}

/** How often each kind of fault met each kind of request. */
export function coverageLines(coverage: Coverage): string[] {
  const heads = ['fault', ...TRAFFIC_KINDS];
  const rows = FAULT_KINDS.map((fault) => [
    fault,
    ...TRAFFIC_KINDS.map((traffic) => String(coverage.count(fault, traffic))),
  ]);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].length)));
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join('  ');
  const { gaps } = coverage;
  const notMet =
    gaps.length === 0
      ? ['Every fault met every kind of request.']
      : ['Never met:', ...gaps.map((gap) => `  ${gap}`)];
  return ['Requests under way while a fault held:', ...[heads, ...rows].map(lineOf), ...notMet];
}

export function violationLines(seed: number, violations: readonly Violation[]): string[] {
  return [`seed ${seed}:`, ...violations.map(({ check, sentence }) => `  ${check}: ${sentence}`)];
}

/** What was left of a plan, and how to see it again. */
export function shrunkLines(whole: Plan, shrunk: Plan): string[] {
  const { faults, requests, seed } = shrunk;
  return [
    `It still breaks with ${faults.length} of ${whole.faults.length} faults and ${requests.length} of ${whole.requests.length} requests:`,
    ...faults.map(
      ({ atMs, durationMs, id, kind, node }) =>
        `  f${id}  at ${atMs} ms: ${kind}, n${(node % shrunk.cluster.nodes) + 1}, for ${durationMs} ms`,
    ),
    ...requests.map(
      ({ ack, atMs, from, id, key, kind, node }) =>
        `  r${id}  at ${Math.round(atMs)} ms: ${kind} ${key} ${ack}/${from} by n${(node % shrunk.cluster.nodes) + 1}`,
    ),
    'See it with:',
    `  ${PROGRAM} simulate --seed ${seed} --only ${idsOf(shrunk).join(',') || 'none'} --trace`,
  ];
}
