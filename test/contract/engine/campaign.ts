/** `npm run model -- --runs 2000 [--seed N] [--path P]` */
import { CampaignProgress } from '../../support/campaign-progress.ts';
import { checkModel } from '../../support/engine-model-check.ts';
import { count, newSeed, script, seedOption } from '../../support/script-flags.ts';

const MAX_SEED = 0x7fff_ffff;
const flags = script(
  'model',
  'Random operations over random options of the engine against a sorted map. A difference is shrunk to a short run, and printed with its seed and path.',
)
  .option('--runs <n>', 'random runs', count, 2000)
  .addOption(seedOption(MAX_SEED))
  .option('--path <path>', 'that a failure printed: goes straight to it')
  .parse()
  .opts<{ runs: number; seed?: number; path?: string }>();
const { runs, path, seed = newSeed(MAX_SEED) } = flags;
console.log(`seed ${seed}, ${runs} runs`);
{
  using progress = new CampaignProgress(runs);
  await checkModel({ runs, seed, path, onRun: () => progress.step() });
}
console.log(`${runs} runs, nothing found`);
