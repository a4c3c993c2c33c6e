/** The results as text: what `npm run bench:stores` prints. Pure. */
import { table } from '../../micro/tables.ts';
import type { BenchRow } from '../../support/bench-file.ts';
import { digits, median } from '../figure.ts';
import type { WayResult } from './protocol.ts';
import { isReached, OURS, type StoreResults, type Verdict } from './results.ts';
import { ROWS, type RowName } from './rows.ts';
import type { StoreName } from './store.ts';

export function describeResults(
  results: StoreResults,
  rows: readonly RowName[],
  stores: readonly StoreName[],
  verdicts: readonly Verdict[],
): string {
  const others = stores.filter((store) => store !== OURS);
  const measured = ROWS.filter(({ name }) => rows.includes(name));
  const cells = (of: (row: RowName, store: StoreName) => string): string[][] =>
    measured.map(({ name }) => [name, ...stores.map((store) => of(name, store))]);
  const of = (figure: (result: WayResult) => number) => (row: RowName, store: StoreName) =>
    told(results.figure(row, store, figure));
  const isTimed = (row: RowName): boolean => measured.some((each) => each.name === row && 'mostMs' in each);
  const speeds = measured.map(({ name, title }) => [
    name,
    ...stores.map((store) => {
      const perSecond = results.figure(name, store, (result) => result.perSecond);
      if (perSecond === undefined) return '';
      return isTimed(name) ? `${digits(1000 / perSecond)} ms` : rate(perSecond);
    }),
    ...others.map((store) => {
      const ratio = results.ratio(name, OURS, store);
      return ratio === undefined ? '' : `${digits(ratio)} x`;
    }),
    title,
  ]);
  const ratios = stores.includes(OURS) ? others.map((store) => `/ ${store}`) : others.map(() => '');
  return [
    'Operations a second, each store in its fastest way; then ours over each other one',
    table(['', ...stores, ...ratios, ''], speeds),
    'The ways',
    table(
      ['', ...stores],
      cells((row, store) => results.fastest(row, store)?.[0].way ?? ''),
    ),
    'CPU time of the whole process for an operation, µs',
    table(['', ...stores], cells(of(({ cpuMicros }) => cpuMicros))),
    'Loop delay, ms: p99.9 and longest turn',
    table(
      ['', ...stores],
      cells((row, store) => {
        const p999 = results.figure(row, store, ({ delayP999Ms }) => delayP999Ms);
        const max = results.figure(row, store, ({ delayMaxMs }) => delayMaxMs);
        return p999 === undefined || max === undefined ? '' : `${digits(p999)}, ${digits(max)}`;
      }),
    ),
    'Costs',
    table(['', ...stores], costRows(results, stores)),
    ...verdicts.map(describeVerdict),
  ].join('\n');
}

function costRows(results: StoreResults, stores: readonly StoreName[]): string[][] {
  const row = (title: string, of: Parameters<StoreResults['cost']>[1]): string[] => [
    title,
    ...stores.map((store) => told(results.cost(store, of))),
  ];
  return [
    row('most resident, MiB', 'peakMib'),
    row('bytes written / bytes put', 'writeAmplification'),
    row('bytes on disk / live bytes', 'spaceAmplification'),
    row('loading the package, ms', 'loadMs'),
  ];
}

function describeVerdict(verdict: Verdict): string {
  const { bound, figure, unit, what } = verdict;
  const wanted = 'least' in bound ? `at least ${bound.least}` : `at most ${bound.most}`;
  return `  ${what}: ${digits(figure)} ${unit}, ${wanted}  ${isReached(verdict) ? 'reached' : 'MISSED'}`;
}

function told(figure: number | undefined): string {
  return figure === undefined ? '' : digits(figure);
}

function rate(perSecond: number): string {
  return perSecond >= 10_000 ? `${digits(perSecond / 1000)} k` : digits(perSecond);
}

/** Every way of every store, and then each store's costs. */
export function benchRows(
  results: StoreResults,
  rows: readonly RowName[],
  stores: readonly StoreName[],
): BenchRow[] {
  const found: BenchRow[] = [];
  for (const row of rows) {
    for (const store of stores) {
      const fastest = results.fastest(row, store)?.[0].way;
      for (const [way, rounds] of results.ways(row, store)) {
        const of = (figure: (result: WayResult) => number): number => median(rounds.map(figure));
        found.push({
          row,
          store,
          way: way === fastest ? 'fastest' : way,
          called: way,
          perSecond: of(({ perSecond }) => perSecond),
          cpuMicros: of(({ cpuMicros }) => cpuMicros),
          delayP999Ms: of(({ delayP999Ms }) => delayP999Ms),
          delayMaxMs: of(({ delayMaxMs }) => delayMaxMs),
        });
      }
    }
  }
  for (const store of stores) {
    const costs = (['peakMib', 'writeAmplification', 'spaceAmplification', 'loadMs'] as const).map((of) => [
      of,
      results.cost(store, of) ?? null,
    ]);
    found.push({ row: 'costs', store, ...Object.fromEntries(costs) });
  }
  return found;
}
