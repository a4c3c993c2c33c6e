/**
 * A reader beside a writer, which does its calls to the file system between those of the reader: what it shows is
 * always what the writer had at one moment.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAlong, runFollowed } from '../../support/followed-engine.ts';

test('a look after every call of the writer, and in the middle of every write', async () => {
  const run = await runFollowed({ seed: 1, steps: 60, backgroundDelayMs: 10 });
  const { changing, looks } = await lookAlong(run, {
    seed: 1,
    reopenEvery: 7,
    stepsPerCall: () => 0,
    stepsPerFrozenCall: () => 0,
    stepsPerLook: () => 1,
  });
  assert.ok(looks > 300, `${looks} looks`);
  assert.equal(changing, 0);
});

test('looks during which the writer goes on', async () => {
  const run = await runFollowed({ seed: 2, steps: 120, backgroundDelayMs: 30 });
  let looks = 0;
  let changing = 0;
  for (const [seed, likely] of [0.003, 0.005, 0.01, 0.02, 0.05].entries()) {
    const counts = await lookAlong(run, {
      seed,
      reopenEvery: 6,
      stepsPerCall: (random) => (random() < likely ? Math.floor(random() * 20) : 0),
      stepsPerFrozenCall: (random) => (random() < 4 * likely ? Math.floor(random() * 5) : 0),
      stepsPerLook: (random) => Math.floor(random() * 6),
    });
    looks += counts.looks;
    changing += counts.changing;
  }
  assert.ok(looks > 200 && changing < looks / 20, `${changing} of ${looks} looks`);
});

test('looks at a folder whose disk fails to sync the manifest and the ends of logs', async () => {
  const run = await runFollowed({ seed: 3, steps: 100, backgroundDelayMs: 10, failing: 0.4 });
  const { changing, looks } = await lookAlong(run, {
    seed: 3,
    reopenEvery: 20,
    stepsPerCall: (random) => (random() < 0.01 ? Math.floor(random() * 20) : 0),
    stepsPerFrozenCall: (random) => (random() < 0.04 ? Math.floor(random() * 5) : 0),
    stepsPerLook: (random) => Math.floor(random() * 8),
  });
  assert.ok(looks > 50 && changing < looks / 10, `${changing} of ${looks} looks`);
});

test('looks at a folder whose writer is killed at any call of its jobs and openings', async () => {
  const run = await runFollowed({ seed: 4, steps: 100, backgroundDelayMs: 10, dies: true });
  const { changing, looks } = await lookAlong(run, {
    seed: 4,
    reopenEvery: 20,
    stepsPerCall: (random) => (random() < 0.01 ? Math.floor(random() * 20) : 0),
    stepsPerFrozenCall: (random) => (random() < 0.04 ? Math.floor(random() * 5) : 0),
    stepsPerLook: (random) => Math.floor(random() * 4),
  });
  assert.ok(looks > 40 && changing < looks / 10, `${changing} of ${looks} looks`);
});

test('looks at a folder whose logs are longer than the memtables of a reader', async () => {
  const run = await runFollowed({ seed: 5, steps: 200, backgroundDelayMs: 10, longLogs: true });
  const { changing, looks } = await lookAlong(run, {
    seed: 5,
    reopenEvery: 100,
    stepsPerCall: () => 0,
    stepsPerFrozenCall: () => 0,
    stepsPerLook: (random) => Math.floor(random() * 16),
  });
  assert.ok(looks > 80, `${looks} looks`);
  assert.equal(changing, 0);
});
