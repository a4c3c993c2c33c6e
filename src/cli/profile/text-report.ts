/** What `profile` prints. Pure. */
import { describeSize } from '../../config/units.ts';
import { table } from './columns.ts';
import type { NodeFiles, NodeSummary, ProfileSummary } from './profile-folder.ts';
import { functionRows } from './view/figures.ts';
import { FrameKind } from './view/frame.ts';
import { shareOf } from './view/functions.ts';
import { VIEWS } from './view/kinds.ts';
import { percentileText } from './view/wait-length.ts';

/** Waits that are shown of a node, the longest first. */
const SHOWN_WAITS = 8;
/** Functions that are shown of all nodes. */
const SHOWN_FUNCTIONS = 10;

export function profileReport(summary: ProfileSummary, nodes: readonly NodeFiles[]): string {
  const lines = [summary.load, ''];
  lines.push(...nodesTable(summary.nodes), '', ...runsTable(summary));
  for (const kind of ['cpu', 'heap'] as const) {
    const functions = summary.kinds.includes(kind) ? functionsTable(kind, nodes) : [];
    if (functions.length > 0) lines.push('', ...functions);
  }
  const waits = waitsTable(nodes);
  if (waits.length > 0) lines.push('', 'Where threads waited, idle waits left out:', ...waits);
  for (const { faults, kind } of summary.runs)
    for (const fault of faults) lines.push('', `NOT VALID (${kind ?? 'without a profile'}): ${fault}.`);
  return lines.join('\n');
}

function nodesTable(nodes: readonly NodeSummary[]): string[] {
  const rows = nodes.map((node) => [
    node.name,
    node.userMicrosPerRequest.toFixed(1),
    node.systemMicrosPerRequest.toFixed(1),
    describeSize(Math.round(node.allocatedBytesPerRequest)),
    perSecond(node.voluntarySwitches, node.elapsedMs),
    perSecond(node.involuntarySwitches, node.elapsedMs),
    node.osThreads === null ? '?' : String(node.osThreads),
    describeSize(node.residentBytes),
  ]);
  const head = ['', 'user µs', 'system µs', 'allocated', 'yields/s', 'preempted/s', 'threads', 'memory'];
  return ['Without a profile; CPU time and allocations a request:', ...table([head, ...rows])];
}

function runsTable({ overhead, runs }: ProfileSummary): string[] {
  const without = overhead[0]?.withoutMicrosPerRequest;
  const rows = runs
    .filter(({ kind }) => kind !== null)
    .map((run) => {
      const cost = overhead.find(({ kind }) => kind === run.kind);
      return [
        String(run.kind),
        run.requestsPerSecond.toFixed(0),
        run.cpuMicrosPerRequest.toFixed(1),
        cost === undefined ? '' : `${percent(cost.ratio - 1)}`,
      ];
    });
  const base = runs.filter(({ kind }) => kind === null).map((run) => run.requestsPerSecond.toFixed(0));
  return [
    'What the profiles cost; CPU time of all nodes a request:',
    ...table([
      ['', 'requests/s', 'CPU µs', 'more CPU'],
      ['without', base.join(', '), without?.toFixed(1) ?? '', ''],
      ...rows,
    ]),
  ];
}

function functionsTable(kind: 'cpu' | 'heap', nodes: readonly NodeFiles[]): string[] {
  const { title, treeOf, unit } = VIEWS[kind];
  const tree = treeOf(nodes);
  const rows = functionRows(tree, unit, SHOWN_FUNCTIONS);
  if (rows.length === 0) return [];
  const kernel =
    kind === 'cpu' ? `, ${(100 * shareOf(tree, FrameKind.kernel)).toFixed(0)} % of it in the kernel` : '';
  return [`${title}${kernel}:`, ...table([['', 'itself', '', 'with callees', ''], ...rows])];
}

function waitsTable(nodes: readonly NodeFiles[]): string[] {
  return nodes.flatMap(({ name, threads }) => {
    const waits = threads
      .flatMap(({ name: thread, waits }) => (waits ?? []).map((wait) => ({ thread, wait })))
      .filter(({ wait }) => !wait.isIdle)
      .sort((a, b) => b.wait.totalMs - a.wait.totalMs)
      .slice(0, SHOWN_WAITS);
    const rows = waits.map(({ thread, wait }) => [
      `${name} ${thread}`,
      wait.path.join(' › '),
      `${wait.totalMs.toFixed(0)} ms`,
      `${wait.count} ×`,
      percentileText(wait, 99),
    ]);
    return table(rows);
  });
}

function percent(share: number): string {
  return `${share < 0 ? '-' : '+'}${Math.abs(share * 100).toFixed(0)} %`;
}

function perSecond(count: number, elapsedMs: number): string {
  return elapsedMs === 0 ? '0' : ((count * 1000) / elapsedMs).toFixed(0);
}
