import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_TIMESTAMP,
  TIMESTAMP_EPOCH_MS,
  TIMESTAMPS_PER_MS,
  timestampAt,
  timestampMs,
} from '../../../../native-free-lsm/format/timestamp.ts';

test('a timestamp is ms since 2024 and a counter', () => {
  assert.equal(TIMESTAMP_EPOCH_MS, Date.parse('2024-01-01T00:00:00Z'));
  assert.equal(timestampAt(TIMESTAMP_EPOCH_MS + 5_000), 5_000 * 4_096);
  assert.equal(timestampMs(5_000 * 4_096 + 4_095), TIMESTAMP_EPOCH_MS + 5_000);
  assert.equal(timestampAt(TIMESTAMP_EPOCH_MS + 5_000.75), 5_000 * 4_096);
  assert.equal(timestampAt(0), 0);
});

test('every timestamp lies in its millisecond', () => {
  const edges = fc.constantFrom(0, TIMESTAMPS_PER_MS - 1, TIMESTAMPS_PER_MS, MAX_TIMESTAMP);
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), edges), (timestamp) => {
      const first = timestampAt(timestampMs(timestamp));
      assert.ok(first <= timestamp && timestamp - first < TIMESTAMPS_PER_MS);
    }),
  );
});
