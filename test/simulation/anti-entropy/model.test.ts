import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runRoundModel } from '../../support/round-model.ts';

const SEEDS = 150;

test(`${SEEDS} random histories: nothing that is dropped was older anywhere, and nothing accepted is lost`, async () => {
  const broken: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const fault = await runRoundModel(seed);
    if (fault !== null) broken.push(`seed ${seed}: ${fault}`);
  }
  assert.deepEqual(broken, []);
});
