/** `npm run crash:engine -- --rounds 100 [--seed N]` */
import { parseArgs } from 'node:util';
import { engineKillCampaign } from './engine-kill-campaign.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, seed: { type: 'string' } },
});
const seed = values.seed === undefined ? Math.floor(performance.timeOrigin) : Number(values.seed);
await engineKillCampaign(Number(values.rounds), seed, console.log);
