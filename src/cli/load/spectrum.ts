/**
 * The percentile spectrum in the form that HdrHistogram's own tools print and its plotter reads
 * (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html): milliseconds, five steps for each halving of what is
 * left above.
 */
import type { Histogram } from 'hdr-histogram-js';

const STEPS_PER_HALF = 5;
const MICROS_PER_MS = 1_000;

export function spectrumText(latency: Histogram): string {
  return latency.outputPercentileDistribution(STEPS_PER_HALF, MICROS_PER_MS);
}

export interface SpectrumPoint {
  readonly percentile: number;
  readonly latencyMs: number;
}

/** The same as points: from 0 to the largest. */
export function spectrumPoints(latency: Histogram): SpectrumPoint[] {
  const points: SpectrumPoint[] = [];
  if (latency.totalCount === 0) return points;
  // Below one request in so many nothing was measured.
  const least = 100 / latency.totalCount;
  for (let above = 100; above >= least; above /= 2) {
    for (let step = 0; step < STEPS_PER_HALF; step++) {
      const percentile = 100 - above + (above / 2) * (step / STEPS_PER_HALF);
      points.push({ percentile, latencyMs: latency.getValueAtPercentile(percentile) / MICROS_PER_MS });
    }
  }
  points.push({ percentile: 100, latencyMs: latency.maxValue / MICROS_PER_MS });
  return points;
}
