import { test } from 'node:test';
import { killCampaign } from './kill-campaign.ts';

test('kill -9 of all nodes under load, five times: nothing acknowledged is lost', async (t) => {
  const seed = Number(process.env.SEED ?? 20261123);
  await killCampaign(5, seed, (line) => t.diagnostic(line));
});
