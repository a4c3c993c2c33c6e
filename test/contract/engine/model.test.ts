/**
 * The engine against a sorted map: random operations over random configurations must give what the map gives (idea:
 * pebble's metamorphic tests). `npm run model` looks longer. A failure prints seed, path and the smallest case:
 * MODEL_SEED and MODEL_PATH repeat it.
 */
import { test } from 'node:test';
import { checkModel } from '../../support/engine-model-check.ts';

const RUNS = Number(process.env.MODEL_RUNS ?? 60);

test('random operations over random configurations give what a sorted map gives', async (t) => {
  const seed = Number(process.env.MODEL_SEED ?? Math.floor(performance.timeOrigin) & 0x7fff_ffff);
  t.diagnostic(`seed ${seed}`);
  await checkModel({ runs: RUNS, seed, path: process.env.MODEL_PATH });
});
