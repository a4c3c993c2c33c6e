/**
 * What draws the charts of a page, inside it: the page's script is this function's own source, so it uses nothing but
 * what it is handed. The charts are uPlot's.
 */

/** A run as a page draws it. */
export interface ChartRun {
  readonly name: string;
  /** Percent, and milliseconds. */
  readonly spectrum: readonly { readonly percentile: number; readonly latencyMs: number }[];
  readonly requests: number;
  readonly seconds: readonly {
    readonly second: number;
    readonly requests: number;
    readonly errors: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  }[];
}

interface ChartElement {
  clientWidth: number;
}

/** What the page has of the browser. */
interface ChartPage {
  getElementById(id: string): ChartElement;
}

type Columns = (readonly (number | null)[])[];
type Chart = new (options: object, data: Columns, target: ChartElement) => { readonly data: Columns };

/** @returns the charts: of the spectrum, the latency and the rate */
export function drawCharts(
  Plot: Chart,
  page: ChartPage,
  runs: readonly ChartRun[],
): { readonly data: Columns }[] {
  const colors = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e', '#17becf', '#8c564b', '#e377c2'];
  const colorOf = (run: number): string => colors[run % colors.length];

  /** Puts the points of all runs over one x axis. */
  const join = (lines: readonly (readonly (readonly [number, number])[])[]): Columns => {
    const xs = [...new Set(lines.flatMap((line) => line.map(([x]) => x)))].sort((a, b) => a - b);
    const columns = lines.map((line) => {
      const found = new Map(line);
      return xs.map((x) => found.get(x) ?? null);
    });
    return [xs, ...columns];
  };

  const chart = (id: string, y: string, xAxis: object, x: object, series: object[], data: Columns) => {
    const target = page.getElementById(id);
    const options = {
      width: target.clientWidth,
      height: 340,
      scales: { x },
      series: [{ label: 'x', ...xAxis }, ...series],
      axes: [{ ...xAxis }, { label: y, size: 70 }],
    };
    return new Plot(options, data, target);
  };

  // 90 % is at 10, 99 % at 100 and so on; the largest value stands where one request of all is left.
  const left = ({ requests, spectrum }: ChartRun): [number, number][] =>
    spectrum.map(({ latencyMs, percentile }) => [
      percentile === 100 ? requests : 1 / (1 - percentile / 100),
      latencyMs,
    ]);
  const percentOf = (x: number | null): string => {
    if (x === null) return '';
    const digits = Math.max(0, Math.ceil(Math.log10(x)) - 2);
    return `${(100 - 100 / x).toFixed(Math.min(digits, 6))} %`;
  };
  const spectrum = chart(
    'spectrum',
    'latency, ms',
    {
      label: 'percentile',
      values: (_plot: unknown, xs: (number | null)[]) =>
        Array.isArray(xs)
          ? xs.map((x) => (x !== null && Number.isInteger(Math.log10(x)) ? percentOf(x) : ''))
          : percentOf(xs),
      value: (_plot: unknown, x: number | null) => percentOf(x),
    },
    { time: false, distr: 3 },
    runs.map(({ name }, run) => ({ label: name, stroke: colorOf(run), width: 2, spanGaps: true })),
    join(runs.map(left)),
  );

  const seconds = {
    label: 'second',
    value: (_plot: unknown, x: number | null) => (x === null ? '' : `${x}`),
  };
  const latency = chart(
    'latency',
    'latency, ms',
    seconds,
    { time: false },
    runs.flatMap(({ name }, run) => [
      { label: `p99, ${name}`, stroke: colorOf(run), width: 2 },
      { label: `p50, ${name}`, stroke: colorOf(run), width: 1, dash: [4, 4] },
    ]),
    join(
      runs.flatMap((run) => [
        run.seconds.map(({ p99Ms, second }): [number, number] => [second, p99Ms]),
        run.seconds.map(({ p50Ms, second }): [number, number] => [second, p50Ms]),
      ]),
    ),
  );
  const rate = chart(
    'rate',
    'a second',
    seconds,
    { time: false },
    runs.flatMap(({ name }, run) => [
      { label: `answers, ${name}`, stroke: colorOf(run), width: 2 },
      { label: `errors, ${name}`, stroke: colorOf(run), width: 1, dash: [4, 4] },
    ]),
    join(
      runs.flatMap((run) => [
        run.seconds.map(({ requests, second }): [number, number] => [second, requests]),
        run.seconds.map(({ errors, second }): [number, number] => [second, errors]),
      ]),
    ),
  );
  return [spectrum, latency, rate];
}
