/** `npm run model -- --runs 2000 [--seed N] [--path P]` */
import { parseArgs } from 'node:util';
import { CampaignProgress } from '../../support/campaign-progress.ts';
import { checkModel } from '../../support/engine-model-check.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string' },
    path: { type: 'string' },
  },
});
const runs = Number(values.runs);
const seed = Number(values.seed ?? Math.floor(performance.timeOrigin) & 0x7fff_ffff);
console.log(`seed ${seed}, ${runs} runs`);
{
  using progress = new CampaignProgress(runs);
  await checkModel({ runs, seed, path: values.path, onRun: () => progress.step() });
}
console.log(`${runs} runs, nothing found`);
