/** How many threads an engine has when nobody says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_OPTIONS, type EngineOptions } from '../../../native-free-lsm/index.ts';
import { InlineExecutor } from '../../../native-free-lsm/simulation/index.ts';
import { EngineSimulation, TINY_OPTIONS } from '../../support/engine-simulation.ts';

/** What the executor of an engine with these options is told. */
async function isSingleThread(options: Partial<EngineOptions>, processors: number): Promise<boolean> {
  const simulation = new EngineSimulation({ ...TINY_OPTIONS, ...options });
  let told: boolean | undefined;
  const opening = simulation.openEngine(
    {},
    {
      processors,
      executor: (context) => {
        told = context.isSingleThread;
        return new InlineExecutor(context);
      },
    },
  );
  const engine = await simulation.settle(opening);
  await simulation.settle(engine.close());
  assert.ok(told !== undefined);
  return told;
}

for (const { options, processors, single } of [
  { options: { durability: 'none' }, processors: 1, single: true },
  { options: { durability: 'interval' }, processors: 2, single: true },
  { options: { durability: 'none', readers: 1 }, processors: 2, single: true },
  { options: { durability: 'none' }, processors: 3, single: false },
  // Reads would wait for the syncs of the log.
  { options: { durability: 'sync' }, processors: 1, single: false },
  { options: {}, processors: 2, single: false },
  { options: { durability: 'none', readers: 2 }, processors: 2, single: false },
  // What is said counts.
  { options: { durability: 'none', singleThread: false }, processors: 1, single: false },
  { options: { durability: 'sync', singleThread: true }, processors: 64, single: true },
  { options: { durability: 'none', singleThread: null }, processors: 2, single: true },
] as const) {
  test(`an engine with ${JSON.stringify(options)} on ${processors} processors has ${single ? 'one thread' : 'several'}`, async () => {
    assert.equal(await isSingleThread(options, processors), single);
  });
}

test('nothing is said of it by default', () => {
  assert.equal(DEFAULT_OPTIONS.singleThread, null);
});
