import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBucket } from '../../../src/token-bucket.ts';

function taken(bucket: TokenBucket, nowMs: number): number {
  let count = 0;
  while (bucket.take(nowMs)) count++;
  return count;
}

test('a bucket gives a number at once, a number per second after that, and no more after a pause', () => {
  const bucket = new TokenBucket(100, 5);
  assert.equal(taken(bucket, 0), 5);
  let later = 0;
  for (let nowMs = 1; nowMs <= 1000; nowMs++) later += taken(bucket, nowMs);
  assert.ok(later >= 99 && later <= 101, `${later}`);
  assert.equal(taken(bucket, 100_000), 5);
  bucket.empty(100_000);
  assert.equal(taken(bucket, 100_009), 0);
  assert.equal(taken(bucket, 100_011), 1);
});

test('tokens taken beyond those in the bucket are owed', () => {
  const bucket = new TokenBucket(100, 5);
  assert.equal(bucket.take(0, 55), true);
  assert.equal(bucket.take(500, 1), false);
  assert.equal(bucket.take(510, 1), true);
});
