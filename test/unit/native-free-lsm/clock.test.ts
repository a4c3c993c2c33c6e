import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadOriginMs } from '../../../native-free-lsm/clock.ts';

test('threads agree about the time though one had to wait for its core between two readings', () => {
  const ORIGIN_MS = 1_000_000;
  for (let stalledReading = 0; stalledReading < 4; stalledReading++) {
    let passedMs = 5;
    let readings = 0;
    const originMs = threadOriginMs(
      () => {
        const sharedMs = ORIGIN_MS + passedMs;
        passedMs += readings++ === stalledReading ? 38 : 0.001;
        return sharedMs;
      },
      () => passedMs,
    );
    assert.ok(Math.abs(originMs - ORIGIN_MS) < 0.01, `${originMs - ORIGIN_MS} ms off`);
  }
});
