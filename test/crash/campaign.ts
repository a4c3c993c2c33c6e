/** `npm run crash -- --rounds 20 [--seed N]` */
import { parseArgs } from 'node:util';
import { killCampaign } from './kill-campaign.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '20' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? Math.floor(performance.timeOrigin) : Number(values.seed);
await killCampaign(Number(values.rounds), seed, console.log);
