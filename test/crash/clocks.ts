/** `npm run clocks -- --minutes 5 [--seed N]`: simulated clusters for a fifth of the time, then one of processes. */
import { systemClock } from '../../src/clock.ts';
import { ClockSimulation } from '../simulation/clocks/clock-simulation.ts';
import { CampaignProgress } from '../support/campaign-progress.ts';
import { PlantedFault } from '../support/clock-cluster.ts';
import { newSeed, positive, script, seedOption } from '../support/script-flags.ts';
import { clocksCampaign } from './clocks-campaign.ts';

const SIMULATED = 0.2;
const EPISODES = 6;

const flags = script(
  'clocks',
  'Lets the clocks of clusters jump, drift and be set while nodes are killed: no acknowledged write may lose to an earlier one.',
)
  .option('--minutes <n>', 'how long', positive, 5)
  .addOption(seedOption(2 ** 31))
  .parse()
  .opts<{ minutes: number; seed?: number }>();
const seed = flags.seed ?? newSeed(2 ** 31);
console.log(`seed ${seed}`);
const startMs = systemClock.monotonicMs();
const lastsMs = flags.minutes * 60_000;
const spentMs = (): number => systemClock.monotonicMs() - startMs;
using progress = new CampaignProgress(Math.ceil(lastsMs / 1000));

const total = { clusters: 0, acknowledged: 0, refused: 0, reads: 0 };
while (spentMs() < lastsMs * SIMULATED) {
  const simulation = new ClockSimulation(seed + total.clusters++, PlantedFault.none);
  try {
    for (let episode = 0; episode < EPISODES; episode++) await simulation.episode();
  } catch (error) {
    throw new Error(`a simulated cluster failed: CLOCKS_SEED=${seed + total.clusters - 1}`, { cause: error });
  }
  total.acknowledged += simulation.figures.acknowledged;
  total.refused += simulation.figures.refused;
  total.reads += simulation.figures.reads;
  progress.reach(spentMs() / 1000, `${total.clusters} simulated clusters, ${total.acknowledged} writes`);
}
const figures = await clocksCampaign({
  seed,
  nextKind: () => (spentMs() < lastsMs ? undefined : null),
  onEpisode: (line) => progress.reach(spentMs() / 1000, line),
});
console.log(
  `\n${total.clusters} simulated clusters: ${total.acknowledged} writes acknowledged, ${total.refused} refused, ${total.reads} reads.\n` +
    `${figures.episodes} episodes of processes: ${figures.acknowledged} writes acknowledged, ${figures.refused} refused, ${figures.unknown} without an answer that says, ${figures.reads} reads;\n` +
    `at most ${Math.round(figures.longestBackMs)} ms until all nodes took writes again. No write lost to an earlier one.`,
);
