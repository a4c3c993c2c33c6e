/** `npm run crash -- --rounds 20 [--seed N]` */
import { count, newSeed, script, seedOption } from '../support/script-flags.ts';
import { killCampaign } from './kill-campaign.ts';

const flags = script(
  'crash',
  'Kills all nodes of a cluster under load and starts them again, round after round: what was acknowledged must be there.',
)
  .option('--rounds <n>', 'kills', count, 20)
  .addOption(seedOption())
  .parse()
  .opts<{ rounds: number; seed?: number }>();
await killCampaign(flags.rounds, flags.seed ?? newSeed(), console.log);
