import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clocksCampaign } from './clocks-campaign.ts';

/** `npm run clocks -- --minutes 5` goes on; the simulation of clocks has many more in less time. */
const EPISODES = 2;

test('clocks that jump under processes that are killed: no acknowledged write loses to an earlier one', async (context) => {
  const seed = Number(process.env.SEED ?? 172627);
  context.diagnostic(`seed ${seed}`);
  const figures = await clocksCampaign({
    seed,
    goesOn: (episodes) => episodes < EPISODES,
    onEpisode: (line) => context.diagnostic(line),
  });
  context.diagnostic(JSON.stringify(figures));
  assert.ok(figures.acknowledged > 100 && figures.reads > 100);
});
