/**
 * The process is killed or the power lost at any call to the file system: everything promised is there after the
 * next start, nothing invented. `npm run crash:points` looks at every call of many longer runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Durability } from '../../../native-free-lsm/index.ts';
import { checkCrashes } from '../../support/engine-crash.ts';
import { checkRecovery } from '../../support/engine-recovery.ts';

const DURABILITIES: readonly { durability: Durability; every: number; name: string }[] = [
  { durability: 'sync', every: 1, name: 'every call' },
  // These make most calls of the same run, and promise less.
  { durability: 'interval', every: 3, name: 'every third call' },
  { durability: 'none', every: 3, name: 'every third call' },
];

for (const { durability, every, name } of DURABILITIES) {
  test(`durability ${durability}: a stop at ${name} of a short run`, async () => {
    const check = { seed: 22, steps: 24, every, offset: 0, stopsAtOnce: 1, options: { durability } };
    const { moments } = await checkCrashes(check);
    assert.ok(moments > 150 / every, `${moments} moments`);
  });

  test(`durability ${durability}: a stop at some calls of a long run`, async () => {
    const check = {
      seed: 102,
      steps: 100,
      every: 29,
      offset: 3,
      options: { durability },
      backgroundDelayMs: 4,
    };
    const { moments } = await checkCrashes(check);
    assert.ok(moments > 50, `${moments} moments`);
  });
}

// Main syncs what the log has grown by, in turns of its own, while writes go on.
for (const durability of ['interval', 'none'] as const) {
  test(`durability ${durability}, one thread: a stop at some calls of a long run`, async () => {
    const check = {
      seed: 31,
      steps: 100,
      every: 17,
      offset: 5,
      options: { durability, singleThread: true },
      backgroundDelayMs: 4,
    };
    const { moments } = await checkCrashes(check);
    assert.ok(moments > 50, `${moments} moments`);
  });
}

// Main, or Node's pool, may have something else to do for longer than the interval of the syncs that were promised.
test('durability interval, one thread, whose main is slow: a stop at some calls of a long run', async () => {
  const options = { durability: 'interval', singleThread: true, syncIntervalMs: 5 } as const;
  const check = { seed: 31, steps: 100, every: 7, offset: 3, options, backgroundDelayMs: 60 };
  const { moments } = await checkCrashes(check);
  assert.ok(moments > 50, `${moments} moments`);
});

// A stop takes a tenth of a second here, for the batches: the campaign looks at every call.
for (const { durability, every } of [
  { durability: 'sync', every: 18 },
  { durability: 'none', every: 36 },
] as const) {
  test(`durability ${durability}: writes on conditions, synced ones, batches larger than a memtable`, async () => {
    const check = { seed: 21, steps: 30, every, offset: 1, options: { durability }, isOfEveryKind: true };
    const { moments } = await checkCrashes(check);
    assert.ok(moments > 40, `${moments} moments`);
  });
}

test('an opening that is stopped or fails at any call, twice in a row', async () => {
  const { calls, moments } = await checkRecovery({
    seed: 2,
    steps: 16,
    remains: 2,
    every: 97,
    firstEvery: 3,
  });
  assert.ok(calls > 1000 && moments > 200, `${calls} calls, ${moments} moments`);
});
