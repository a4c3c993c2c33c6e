import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteThrottle } from '../../../../src/replica/byte-throttle.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';

const NEVER = new AbortController().signal;

test('a throttle lets so many bytes through a second, and a few at once after a pause', () => {
  const clock = new FakeClock();
  clock.advance(10_000);
  const throttle = new ByteThrottle(clock, 1_000);
  assert.equal(throttle.waitMs, 0);
  throttle.take(250);
  assert.equal(throttle.waitMs, 0);
  throttle.take(3_000);
  assert.equal(throttle.waitMs, 3_000);
  clock.advance(2_999);
  assert.equal(throttle.waitMs, 1);
  clock.advance(60_000);
  throttle.take(1_250);
  assert.equal(throttle.waitMs, 1_000);
});

test('who waits, waits for what was taken before and not for what others take meanwhile', async () => {
  const clock = new FakeClock();
  const throttle = new ByteThrottle(clock, 1_000);
  throttle.take(2_000);
  let hasWaited = false;
  const waiting = throttle.wait(NEVER).then(() => {
    hasWaited = true;
  });
  for (let second = 0; second < 2; second++) {
    assert.equal(hasWaited, false);
    throttle.take(5_000);
    clock.advance(1_000);
    for (let i = 0; i < 10; i++) await undefined;
  }
  await waiting;
  assert.ok(throttle.waitMs > 9_000);
  const stop = new AbortController();
  const stopped = throttle.wait(stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(stopped, { message: 'stopped' });
  assert.equal(clock.pendingTimers, 0);
});

test('without a rate nobody waits', async () => {
  const throttle = new ByteThrottle(new FakeClock(), Number.POSITIVE_INFINITY);
  throttle.take(2 ** 50);
  assert.equal(throttle.waitMs, 0);
  await throttle.wait(NEVER);
});
