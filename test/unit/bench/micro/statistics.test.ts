import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Change, compare, type Figure, figureOf, median } from '../../../../bench/micro/statistics.ts';
import { comparisonTable, figuresTable } from '../../../../bench/micro/tables.ts';

function figure(name: string, nsPerOperation: number, margin: number): Figure {
  return { name, nsPerOperation, margin, samples: 10, rounds: [nsPerOperation] };
}

test('the median is in the middle, whatever the order', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  fc.assert(
    fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
      const found = median(values);
      const half = values.length / 2;
      assert.ok(values.filter((value) => value < found).length <= half);
      assert.ok(values.filter((value) => value > found).length <= half);
    }),
  );
});

test('the margin is the 95 % interval of the rounds', () => {
  // Mean 10, standard deviation 1, so 4.303 × 1 / √3 for three rounds.
  const { margin, nsPerOperation, samples } = figureOf('a', [9, 10, 11], 300);
  assert.equal(nsPerOperation, 10);
  assert.equal(samples, 300);
  assert.ok(Math.abs(margin - 4.303 / Math.sqrt(3) / 10) < 1e-12);
  assert.equal(figureOf('a', [7, 7, 7, 7, 7], 1).margin, 0);
});

test('the margin of a single round is unknown, so only a figure twice as long counts as different', () => {
  const before = [figureOf('a', [100], 1), figureOf('b', [100], 1)];
  const after = [figureOf('a', [190], 1), figureOf('b', [300], 1)];
  const changes = compare(before, after).map(({ change }) => change);
  assert.deepEqual(changes, [Change.slower, Change.none]);
});

test('a comparison has the cases of both runs, the one that became slowest first', () => {
  const before = [figure('gone', 1, 0), figure('quick', 100, 0.05), figure('slow', 100, 0.05)];
  const after = [figure('quick', 50, 0.05), figure('new', 1, 0), figure('slow', 150, 0.05)];
  assert.deepEqual(
    compare(before, after).map(({ after: { name }, ratio, change }) => [name, ratio, change]),
    [
      ['slow', 1.5, Change.slower],
      ['quick', 0.5, Change.faster],
    ],
  );
});

test('a difference within both margins is noise, below as well as above', () => {
  const changeOf = (before: Figure, after: Figure) => compare([before], [after])[0].change;
  const before = figure('a', 100, 0.06);
  // √(0.06² + 0.08²) = 0.1
  assert.equal(changeOf(before, figure('a', 109, 0.08)), Change.none);
  assert.equal(changeOf(before, figure('a', 111, 0.08)), Change.slower);
  assert.equal(changeOf(before, figure('a', 92, 0.08)), Change.none);
  assert.equal(changeOf(before, figure('a', 90, 0.08)), Change.faster);
  // Rounds that agree to the last digit are not believed that much.
  assert.equal(changeOf(figure('a', 100, 0), figure('a', 102, 0)), Change.none);
  assert.equal(changeOf(figure('a', 100, 0), figure('a', 104, 0)), Change.slower);
});

test('the tables name unit, margin and what changed', () => {
  const before = figure('ring: push', 123.4, 0.012);
  const after = figure('ring: push', 246.8, 0.034);
  assert.equal(
    figuresTable([before]),
    [
      'case        ns/op      ops/s      ±  samples',
      '----------  -----  ---------  -----  -------',
      'ring: push    123  8,103,728  1.2 %       10',
    ].join('\n'),
  );
  assert.equal(
    comparisonTable(compare([before], [after])),
    [
      'case        ns/op before      ±  ns/op now      ±  ratio  change',
      '----------  ------------  -----  ---------  -----  -----  ------',
      'ring: push           123  1.2 %        247  3.4 %   2.00  SLOWER',
    ].join('\n'),
  );
  assert.equal(comparisonTable([]), 'no case in common');
});
