/** What a benchmark prints: figures, each with the bound it has to keep. */
import type { Need } from '../support/needs.ts';
import type { BenchContext } from './context.ts';

export type Bound = { readonly least: number } | { readonly most: number };

export interface Finding {
  /** What was measured, in a few words. */
  readonly what: string;
  readonly figure: number;
  /** `x` for ratios. */
  readonly unit: string;
  /** Left out: the figure has no bound and is printed beside the others. */
  readonly bound?: Bound;
  /** What the figure was made of, in one line. */
  readonly detail?: string;
}

export interface Figure {
  /** The name that `--only` takes. */
  readonly name: string;
  /** What is compared with what. */
  readonly title: string;
  readonly needs: readonly Need[];
  run(context: BenchContext): Promise<Finding[]>;
}

export function isReached({ bound, figure }: Finding): boolean | undefined {
  if (bound === undefined) return undefined;
  return 'least' in bound ? figure >= bound.least : figure <= bound.most;
}

export function describeFinding(finding: Finding): string {
  const { bound, detail, figure, unit, what } = finding;
  const reached = isReached(finding);
  const verdict = reached === undefined ? '' : reached ? '  reached' : '  MISSED';
  const wanted =
    bound === undefined ? '' : 'least' in bound ? `, at least ${bound.least}` : `, at most ${bound.most}`;
  const lines = [`  ${what}: ${digits(figure)} ${unit}${wanted}${verdict}`];
  if (detail !== undefined) lines.push(`      ${detail}`);
  return lines.join('\n');
}

/** Three significant digits. */
export function digits(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
