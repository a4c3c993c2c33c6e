import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growth } from './flatness.ts';
import { soak } from './soak-run.ts';

test('an engine whose data grows and shrinks for a while stays within its bounds', {
  timeout: 480_000,
}, async (t) => {
  const summary = await soak({
    durationMs: 3_500,
    seed: Number(process.env.SEED ?? 20261125),
    keys: 1600,
    maxValueBytes: 2000,
    memtableBytes: 256 * 1024,
    residentSlackBytes: 200 << 20,
    lineMs: 1000,
    log: (line) => t.diagnostic(line),
  });
  assert.ok(summary.cycles >= 3);
  assert.ok(summary.reads > 100 && summary.writes > 100 && summary.held.snapshots > 0);
});

test('growth is the slope of a line through the figures', () => {
  assert.equal(growth([5, 5, 5]), 0);
  assert.equal(growth([1, 2, 3, 4]), 3);
  assert.equal(growth([4, 1]), -3);
  assert.equal(growth([7]), 0);
});
