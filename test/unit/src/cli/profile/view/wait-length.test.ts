import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketName, percentileText } from '../../../../../../src/cli/profile/view/wait-length.ts';

test('a bucket is named by its bounds, and the last one has none above', () => {
  const names = [0, 1, 10, 11, 20, 21, 27].map(bucketName);
  assert.deepEqual(names, [
    'less than 1 µs',
    '1 µs to 2 µs',
    '512 µs to 1 ms',
    '1 ms to 2 ms',
    '524 ms to 1 s',
    '1 s to 2 s',
    '67 s or more',
  ]);
});

test('a percentile is told by the bucket in which it lies', () => {
  const waits = (counts: Readonly<Record<number, number>>) => {
    const buckets = Array.from({ length: 28 }, (_, bucket) => counts[bucket] ?? 0);
    const count = buckets.reduce((sum, waits) => sum + waits, 0);
    return { path: ['disk'], isIdle: false, count, totalMs: 1, buckets };
  };
  assert.equal(percentileText(waits({ 3: 99, 20: 1 }), 99), 'p99 < 8 µs');
  assert.equal(percentileText(waits({ 3: 98, 20: 2 }), 99), 'p99 < 1 s');
  assert.equal(percentileText(waits({ 27: 1 }), 99), 'p99 ≥ 67 s', 'which all longer waits are counted in');
});
