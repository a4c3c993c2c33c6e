import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitPlace } from '../../../../native-free-lsm/shared/main-waits.ts';
import { bucketEndMicros, bucketOf } from '../../../../native-free-lsm/shared/wait-figures.ts';

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('waits count from a recording on, those that are under way when it ends too', async () => {
  const place = new WaitPlace(['queue', 'test']);
  place.end(place.begin());
  assert.equal(place.take().count, 0, 'nothing was recorded');

  const early = place.begin();
  place.record();
  place.end(early);
  const first = place.begin();
  const second = place.begin();
  await pause(20);
  place.end(second);
  const { buckets, count, isIdle, path, totalMs } = place.take();
  assert.deepEqual({ count, isIdle, path }, { count: 2, isIdle: false, path: ['queue', 'test'] });
  assert.ok(totalMs >= 38, `${totalMs}`);
  assert.equal(sum(buckets), 2);
  place.end(first);
  assert.equal(place.take().count, 2, 'what ends after the recording is no part of it');

  place.record();
  place.end(first);
  assert.equal(place.take().count, 0, 'a wait of an earlier recording is none of this one');
});

test('a wait is counted in the first bucket above it', () => {
  const expected = [
    [0, 0],
    [0.9, 0],
    [1, 1],
    [1.99, 1],
    [2, 2],
    [1023, 10],
    [1024, 11],
    [2 ** 26, 27],
    [2 ** 31, 27],
  ];
  for (const [micros, bucket] of expected) assert.equal(bucketOf(micros), bucket, `${micros}`);
  for (let bucket = 0; bucket < 27; bucket++) {
    const endMicros = bucketEndMicros(bucket);
    assert.deepEqual([bucketOf(endMicros - 0.5), bucketOf(endMicros)], [bucket, bucket + 1]);
  }
});
