import { test } from 'node:test';
import { killCampaign } from './kill-campaign.ts';

/** The second kill is of nodes that were killed before. `npm run crash -- --rounds 20` goes on. */
const ROUNDS = 2;

test('kill -9 of all nodes under load, twice: nothing acknowledged is lost', async (t) => {
  const seed = Number(process.env.SEED ?? 20261123);
  await killCampaign(ROUNDS, seed, (line) => t.diagnostic(line));
});
