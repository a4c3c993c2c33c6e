/** Figures as text. Pure. */
import type { Comparison, Figure } from './statistics.ts';

type Row = readonly string[];

/** The first column is aligned to the left, all others to the right. */
export function table(head: Row, rows: readonly Row[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column].length)),
  );
  const line = (row: Row): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function nanoseconds(ns: number): string {
  if (ns >= 100_000) return Math.round(ns).toLocaleString('en');
  return ns >= 1000 ? ns.toFixed(0) : ns.toPrecision(3);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function figuresTable(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, nsPerOperation, margin, samples }) => [
    name,
    nanoseconds(nsPerOperation),
    Math.round(1e9 / nsPerOperation).toLocaleString('en'),
    percent(margin),
    String(samples),
  ]);
  return table(['case', 'ns/op', 'ops/s', '±', 'samples'], rows);
}

export function comparisonTable(comparisons: readonly Comparison[]): string {
  if (comparisons.length === 0) return 'no case in common';
  const rows = comparisons.map(({ before, after, ratio, change }) => [
    after.name,
    nanoseconds(before.nsPerOperation),
    percent(before.margin),
    nanoseconds(after.nsPerOperation),
    percent(after.margin),
    ratio.toFixed(2),
    change,
  ]);
  return table(['case', 'ns/op before', '±', 'ns/op now', '±', 'ratio', 'change'], rows);
}
