/** What the benchmark of zones prints: rows as they come, and what one policy is against the other. */
import { digits } from '../engine/figure.ts';
import type { MethodFigures, ZoneFigures } from './zone-load.ts';

export interface ZoneRow extends ZoneFigures {
  readonly policy: 'near' | 'spread';
  /** `one going`: lost a moment ago, and not noticed. */
  readonly zones: 'all' | 'one going' | 'one lost';
  readonly clients: 'one node' | 'every node';
}

const WIDTHS = [8, 10, 11, 5, 8, 8, 8, 8, 10, 6, 6];

export const ROW_TITLES = line([
  'policy',
  'zones',
  'clients at',
  '',
  'p25 ms',
  'p50 ms',
  'p99 ms',
  'mean ms',
  'answered',
  '504',
  'other',
]);

export function describeRow({
  clients,
  methods,
  notEnoughReplicas,
  otherErrors,
  policy,
  zones,
}: ZoneRow): string {
  const rows = methods.map(({ answeredShare, meanMs, method, p25Ms, p50Ms, p99Ms }, i) => {
    const what = i === 0 ? [policy, zones, clients] : ['', '', ''];
    // A load does not tell by method what failed.
    const failed = i === 0 ? [String(notEnoughReplicas), String(otherErrors)] : [];
    return line([
      ...what,
      method,
      ...[p25Ms, p50Ms, p99Ms, meanMs].map(digits),
      `${digits(answeredShare * 100)} %`,
      ...failed,
    ]);
  });
  return rows.join('\n');
}

/** Of spread over near, for each load. */
export function describeRatios(rows: readonly ZoneRow[]): string[] {
  const lines: string[] = [];
  for (const near of rows.filter(({ policy }) => policy === 'near')) {
    const spread = rows.find(
      ({ clients, policy, zones }) => policy === 'spread' && zones === near.zones && clients === near.clients,
    );
    if (spread === undefined) continue;
    for (const [i, ours] of near.methods.entries()) {
      const ratio = (of: (figures: MethodFigures) => number): string =>
        `${digits(of(spread.methods[i]) / of(ours))} x`;
      const p25 = ratio(({ p25Ms }) => p25Ms);
      const p50 = ratio(({ p50Ms }) => p50Ms);
      const mean = ratio(({ meanMs }) => meanMs);
      const p99 = ratio(({ p99Ms }) => p99Ms);
      const answered = ratio(({ answeredShare }) => answeredShare);
      lines.push(
        `spread over near, zones ${near.zones}, clients at ${near.clients}, ${ours.method}: p25 ${p25}, p50 ${p50}, p99 ${p99}, mean ${mean}, answered ${answered}`,
      );
    }
  }
  return lines;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padStart(WIDTHS[i])).join(' ');
}
