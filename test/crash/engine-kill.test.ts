import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineKillCampaign } from './engine-kill-campaign.ts';

test('kill -9 of an engine in a flush, a commit, a recovery, at any moment: nothing acknowledged is lost, nothing is left over', async (t) => {
  const seed = Number(process.env.SEED ?? 20261125);
  const counts = await engineKillCampaign(4, seed, (line) => t.diagnostic(line));
  const kills = [...counts.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(kills, 5);
  assert.ok((counts.get('too late') ?? 0) <= 2, 'most kills meet what they are aimed at');
});
