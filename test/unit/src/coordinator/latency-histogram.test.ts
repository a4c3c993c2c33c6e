import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LatencyHistogram } from '../../../../src/coordinator/latency-histogram.ts';

/** A bucket is that much wider than where it begins. */
const RESOLUTION = 2 ** (1 / 8);
const FIRST_BOUND_MS = 1 / 16;

function histogramOf(latencies: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const latencyMs of latencies) histogram.record(latencyMs);
  return histogram;
}

test('a quantile is at most a bucket above the exact one, and never below it', () => {
  const latencies = fc.array(fc.double({ min: 0, max: 15_000, noNaN: true }), {
    minLength: 1,
    maxLength: 500,
  });
  fc.assert(
    fc.property(latencies, fc.constantFrom(0.5, 0.9, 0.99), (all, share) => {
      const sorted = all.toSorted((a, b) => a - b);
      const above = Math.ceil(all.length * (1 - share) - 1e-9);
      const exactMs = sorted[Math.max(all.length - above - 1, 0)];
      const quantileMs = histogramOf(all).quantileMs(share);
      const tooLate = all.filter((latencyMs) => latencyMs > quantileMs * (1 + 1e-9)).length;
      assert.ok(tooLate <= all.length * (1 - share) + 1e-9, `${tooLate} of ${all.length} are above`);
      assert.ok(quantileMs <= Math.max(sorted.at(-1)!, FIRST_BOUND_MS) * RESOLUTION * (1 + 1e-9));
      assert.ok(quantileMs >= Math.min(exactMs, 15_000) * (1 - 1e-9), `${quantileMs}, exactly ${exactMs}`);
    }),
  );
});

test('what is no time is none, and what is beyond all bounds is in the last bucket', () => {
  for (const latencyMs of [0, -1, Number.NaN])
    assert.equal(histogramOf([latencyMs]).quantileMs(0.99), FIRST_BOUND_MS);
  const longestMs = histogramOf([16_000]).quantileMs(0.99);
  assert.equal(histogramOf([1e12]).quantileMs(0.99), longestMs);
  assert.equal(histogramOf([Number.POSITIVE_INFINITY]).quantileMs(0.99), longestMs);
});

test('none has no quantile', () => {
  assert.equal(new LatencyHistogram().quantileMs(0.99), 0);
});

test('older answers count for less with each newer one, and their number is bounded', () => {
  const histogram = histogramOf(new Array<number>(10_000).fill(500));
  assert.ok(histogram.quantileMs(0.99) >= 500);
  for (let i = 0; i < 20_000; i++) histogram.record(1);
  assert.ok(histogram.quantileMs(0.99) <= RESOLUTION);
  assert.ok(histogram.weight < 2_048);
});

test('halved, it says the same of fewer answers', () => {
  const histogram = histogramOf([1, 1, 1, 200]);
  const before = histogram.quantileMs(0.5);
  histogram.halve();
  assert.equal(histogram.weight, 2);
  assert.equal(histogram.quantileMs(0.5), before);
});
