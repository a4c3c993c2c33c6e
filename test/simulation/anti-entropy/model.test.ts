import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PLANTED_MISTAKES } from '../../support/round-mistakes.ts';
import { runRoundModel } from '../../support/round-model.ts';
import { ROUND_SCENARIOS } from '../../support/round-scenarios.ts';

const SEEDS = 8;

test(`${SEEDS} random histories: nothing that is dropped was older anywhere, and nothing accepted is lost`, async () => {
  const broken: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const fault = await runRoundModel(seed);
    if (fault !== null) broken.push(`seed ${seed}: ${fault}`);
  }
  assert.deepEqual(broken, []);
});

describe('a mistake in the protocol is found:', () => {
  for (const { name, plant, scenario } of PLANTED_MISTAKES) {
    test(name, async () => {
      using _planted = plant();
      await assert.rejects(ROUND_SCENARIOS[scenario](), assert.AssertionError);
    });
  }
});
