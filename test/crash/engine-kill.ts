/** `npm run crash:engine -- --rounds 100 [--seed N]` */
import { count, newSeed, script, seedOption } from '../support/script-flags.ts';
import { engineKillCampaign } from './engine-kill-campaign.ts';

const flags = script(
  'crash:engine',
  'Kills a process that writes to an engine, at any moment and inside flush, compaction, manifest switch and recovery: what was acknowledged must be there, and nothing that was never written.',
)
  .option('--rounds <n>', 'kills', count, 100)
  .addOption(seedOption())
  .parse()
  .opts<{ rounds: number; seed?: number }>();
await engineKillCampaign(flags.rounds, flags.seed ?? newSeed(), console.log);
