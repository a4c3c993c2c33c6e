/** What the benchmark prints: one line per row, and the bounds for goodput, memory and fresh connections. */
import { describeSize } from '../../src/config/units.ts';
import { digits, type Finding } from '../engine/figure.ts';
import type { Row } from './measure.ts';

/** From this number on, many connections must get as much done as the best number of them. */
const MANY_CONNECTIONS = 64;
const LEAST_GOODPUT_SHARE = 0.9;
const MOST_RESIDENT_MIB = 500;
const MOST_FRESH_P99_MS = 100;
const SMALL_VALUE_BYTES = 4096;

const WIDTHS = [5, 8, 6, 9, 8, 6, 8, 6, 6, 7, 8, 8, 9, 13, 9, 9];

export const ROW_TITLES = line([
  'ask',
  'value',
  'conns',
  'good/s',
  'MiB/s',
  'late',
  '503',
  '504',
  'other',
  'broken',
  'p50 ms',
  'p99 ms',
  '503 p99',
  'fresh p50/p99',
  'resident',
  'CPU us',
]);

export function describeRow(row: Row): string {
  const { fresh, load, result } = row;
  const { answers } = result;
  return line([
    load.method,
    describeSize(load.valueBytes),
    String(load.connections),
    digits(row.goodPerSecond),
    digits(row.goodMibPerSecond),
    String(answers.late),
    String(answers.status503),
    String(answers.status504),
    String(answers.otherStatus),
    String(answers.broken),
    digits(result.p50Ms),
    digits(result.p99Ms),
    digits(result.refusedP99Ms),
    `${digits(fresh.p50Ms)}/${digits(fresh.p99Ms)}${fresh.failed > 0 ? ` ${fresh.failed}!` : ''}`,
    digits(row.residentMib),
    digits(row.cpuMicrosPerGood),
  ]);
}

/** A finding for each row with many connections, and some for all rows together. */
export function verdicts(rows: readonly Row[]): Finding[] {
  const findings: Finding[] = [];
  const groups = Map.groupBy(rows, ({ load }) => `${load.method} of ${describeSize(load.valueBytes)}`);
  for (const [group, members] of groups) {
    const best = Math.max(...members.map(({ goodPerSecond }) => goodPerSecond));
    for (const { goodPerSecond, load } of members) {
      if (load.connections < MANY_CONNECTIONS || members.length === 1) continue;
      const what = `${group}, ${load.connections} connections: goodput against the best number of them`;
      findings.push({ what, figure: goodPerSecond / best, unit: 'x', bound: { least: LEAST_GOODPUT_SHARE } });
    }
  }
  const resident = Math.max(...rows.map((row) => row.residentMib));
  findings.push({
    what: 'most resident, any node',
    figure: resident,
    unit: 'MiB',
    bound: { most: MOST_RESIDENT_MIB },
  });
  const small = rows.filter(({ load }) => load.valueBytes <= SMALL_VALUE_BYTES);
  for (const [what, members, bound] of [
    ['values up to 4 KiB', small, { most: MOST_FRESH_P99_MS }],
    // Turns that move megabytes are long: these figures have no bound.
    ['larger values', rows.filter((row) => !small.includes(row)), undefined],
  ] as const) {
    if (members.length === 0) continue;
    findings.push({
      what: `first answer of a fresh connection, p99, worst row, ${what}`,
      figure: Math.max(...members.map((row) => row.fresh.p99Ms)),
      unit: 'ms',
      ...(bound && { bound }),
    });
  }
  return findings;
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => cell.padStart(WIDTHS[i])).join(' ');
}
