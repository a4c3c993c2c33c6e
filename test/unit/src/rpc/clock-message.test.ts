import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeClock, encodeClock } from '../../../../src/rpc/clock-message.ts';

test('clocks come back as they were, to the fraction of a millisecond', () => {
  const times = { wallMs: 1_800_000_000_000, ownMs: 0, acceptMs: 1_800_000_000_000.25 };
  assert.deepEqual(decodeClock(encodeClock(times)), times);
});

test('bytes that no node answers are not taken for a clock', () => {
  const sound = { wallMs: 1, ownMs: 2, acceptMs: 3 };
  assert.equal(decodeClock(encodeClock(sound).subarray(1)), null);
  for (const wrong of [Number.NaN, -1, Number.POSITIVE_INFINITY, 2 ** 60]) {
    assert.equal(decodeClock(encodeClock({ ...sound, wallMs: wrong })), null);
    assert.equal(decodeClock(encodeClock({ ...sound, ownMs: wrong })), null);
    assert.equal(decodeClock(encodeClock({ ...sound, acceptMs: wrong })), null);
  }
});
