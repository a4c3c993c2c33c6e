/** The plots of the report, as SVG that ECharts draws without a browser. The same results make the same bytes. */
import type { EChartsCoreOption } from 'echarts/core';
import type { SpectrumPoint } from '../../src/cli/load/spectrum.ts';
import { drawPlot } from '../support/svg-plot.ts';
import type { Figures } from './claims.ts';
import { turnsOf } from './figures.ts';
import type { LoadFigures } from './load-session.ts';
import { digits } from './numbers.ts';
import { type Results, resultOf } from './results.ts';
import { METHODS, type Method, REPLICATIONS } from './scale.ts';
import { type RateResult, rateStepName } from './steps/rates.ts';
import type { ReplicationTurn } from './steps/turns.ts';

export interface Plot {
  /** Without its ending. */
  readonly name: string;
  /** For those who do not see it. */
  readonly title: string;
  readonly svg: string;
}

interface Line {
  readonly name: string;
  readonly spectrum: readonly SpectrumPoint[];
}

export function plotsOf(results: Results, figures: Figures): Plot[] {
  const plots: Plot[] = [];
  const add = (name: string, title: string, options: EChartsCoreOption): void => {
    plots.push({ name, title, svg: drawPlot(name, title, options) });
  };
  add('rates', 'Highest rate that holds, requests a second', rateBars(figures));
  for (const method of METHODS) {
    const verb = method.toUpperCase();
    add(
      `${method}-flood`,
      `${verb}, ${results.scale.overloadPerSecond} a second offered: latency by percentile`,
      spectrumLines(overloads(results, method)),
    );
    add(
      `${method}-predecessors-rate`,
      `${verb} at the highest rate that sequential replication holds: latency by percentile`,
      spectrumLines(runs(results, method, 'predecessors')),
    );
    add(
      `${method}-own-rate`,
      `${verb}, each at the highest rate that it holds: latency by percentile`,
      spectrumLines(runs(results, method, 'stable')),
    );
  }
  return plots;
}

function overloads(results: Results, method: Method): Line[] {
  return REPLICATIONS.flatMap((name) => {
    const rates = resultOf<RateResult>(results, rateStepName(method, name));
    return rates === undefined ? [] : { name, spectrum: rates.overload.spectrum };
  });
}

/** Of the turn whose p99 is the median. */
function runs(results: Results, method: Method, run: keyof ReplicationTurn): Line[] {
  return REPLICATIONS.flatMap((name) => {
    const loads: LoadFigures[] = turnsOf(results, method, name).flatMap((turn) => turn[run] ?? []);
    const sorted = loads.toSorted((a, b) => a.p99Ms - b.p99Ms);
    const middle = sorted[(sorted.length - 1) >> 1];
    return middle === undefined ? [] : { name, spectrum: middle.spectrum };
  });
}

/** On the axis of HdrHistogram's plotter: each step to the right leaves a tenth of the requests above. */
function spectrumLines(lines: readonly Line[]): EChartsCoreOption {
  return {
    xAxis: {
      type: 'log',
      name: 'percentile',
      nameLocation: 'middle',
      nameGap: 25,
      axisLabel: { formatter: percentileLabel },
    },
    yAxis: { type: 'log', name: 'ms' },
    series: lines.map(({ name, spectrum }) => ({
      name,
      type: 'line',
      showSymbol: false,
      data: spectrum
        .filter(({ percentile, latencyMs }) => percentile < 100 && latencyMs > 0)
        .map(({ latencyMs, percentile }) => [1 / (1 - percentile / 100), latencyMs]),
    })),
  };
}

function percentileLabel(requestsAbove: number): string {
  const digits = Math.max(0, Math.round(Math.log10(requestsAbove)) - 2);
  return `${((1 - 1 / requestsAbove) * 100).toFixed(digits)} %`;
}

function rateBars(figures: Figures): EChartsCoreOption {
  return {
    xAxis: { type: 'category', data: METHODS.map((method) => method.toUpperCase()) },
    // Room for what stands on the bars.
    yAxis: { type: 'value', boundaryGap: [0, '10%'] },
    series: REPLICATIONS.map((replication) => ({
      name: replication,
      type: 'bar',
      label: { show: true, position: 'top', formatter: ({ value }: { value: number }) => digits(value) },
      data: METHODS.map((method) => figures.get(`${method}.${replication}.rate`) ?? null),
    })),
  };
}
