import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EngineClock, systemEngineClock } from '../../../native-free-lsm/clock.ts';
import { MAX_TIMESTAMP, TIMESTAMP_EPOCH_MS } from '../../../native-free-lsm/format/timestamp.ts';
import { VersionSource } from '../../../native-free-lsm/version-source.ts';

function showing(nowMs: () => number): EngineClock {
  return { ...systemEngineClock, nowMs };
}

test('timestamps rise, whatever the clock does, and fit into a record', () => {
  let nowMs = TIMESTAMP_EPOCH_MS + 1000;
  const versions = new VersionSource(
    5,
    showing(() => nowMs),
  );
  assert.equal(versions.next(), 1000 * 4096);
  assert.equal(versions.next(), 1000 * 4096 + 1);
  let last = versions.next();
  for (nowMs of [
    TIMESTAMP_EPOCH_MS + 2000,
    TIMESTAMP_EPOCH_MS - 1000,
    0,
    Date.UTC(2200, 0, 1),
    TIMESTAMP_EPOCH_MS + 3000,
  ]) {
    const next = versions.next();
    assert.ok(next > last && next <= MAX_TIMESTAMP, `${next} after ${last} at ${nowMs}`);
    last = next;
  }
  assert.equal(last, 3000 * 4096, 'and is followed again when it is right');
  assert.equal(versions.take(0), last + 1, 'none is taken');
  assert.equal(versions.take(10), last + 1);
  assert.equal(versions.next(), last + 11);
});

test('a store that holds newer versions than the clock shows is written above them', () => {
  const versions = new VersionSource(
    9_000_000_000,
    showing(() => TIMESTAMP_EPOCH_MS),
  );
  assert.equal(versions.next(), 9_000_000_001);
});
