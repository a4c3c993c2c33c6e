import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EpisodeKind } from '../support/clock-episodes.ts';
import { clocksCampaign } from './clocks-campaign.ts';

/**
 * One clock jumps under a node that is killed and comes back, all jump and come back, all are set for good. The seed
 * makes them short, and the jumps minutes and days. `npm run clocks -- --minutes 5` goes on; the simulation of clocks
 * has many more in less time.
 */
const EPISODES: readonly EpisodeKind[] = ['one', 'all', 'good'];
const SEED = 134474;

test('clocks that jump under processes that are killed: no acknowledged write loses to an earlier one', async (context) => {
  const seed = Number(process.env.SEED ?? SEED);
  context.diagnostic(`seed ${seed}`);
  const figures = await clocksCampaign({
    seed,
    nextKind: (episodes) => EPISODES[episodes] ?? null,
    onEpisode: (line) => context.diagnostic(line),
  });
  context.diagnostic(JSON.stringify(figures));
  assert.ok(figures.acknowledged > 100 && figures.reads > 100);
});
