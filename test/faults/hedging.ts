/** `npm run hedging -- [--seconds N] [--rounds N] [--seed N]` */
import os from 'node:os';
import { CampaignProgress } from '../support/campaign-progress.ts';
import { count, newSeed, script, seedOption } from '../support/script-flags.ts';
import {
  breachesOf,
  describeFigures,
  describeLoad,
  FaultProof,
  FIGURE_TITLES,
  hardlyHedges,
} from './fault-proof.ts';
import { PEER_FAULTS } from './peer-fault.ts';

const MODES = ['parallel', 'hedged'] as const;

const flags = script(
  'hedging',
  'What clients notice when a node is dead, frozen, unreachable, slow, flapping or stuttering, with and without hedged reads: ' +
    'no request may fail and none be slow for more than a second, and afterwards reads ask two replicas again.',
)
  .option('--rounds <n>', 'how often each fault is proved in each mode', count, 1)
  .option('--seconds <n>', 'of each measured time', count, 5)
  .option('--gets <n>', 'GETs a second', count, 300)
  .option('--puts <n>', 'PUTs a second', count, 60)
  .addOption(seedOption(2 ** 32 - 1))
  .parse()
  .opts<{ rounds: number; seconds: number; gets: number; puts: number; seed?: number }>();
const seed = flags.seed ?? newSeed(2 ** 32 - 1);
console.log(`seed ${seed}`);
const breaches: string[] = [];
using progress = new CampaignProgress(flags.rounds * MODES.length * PEER_FAULTS.length);
for (let round = 0; round < flags.rounds; round++) {
  for (const replication of MODES) {
    await using proof = await FaultProof.start({
      replication,
      seed: seed + round,
      getsPerSecond: flags.gets,
      putsPerSecond: flags.puts,
      healthyMs: flags.seconds * 1_000,
      faultyMs: flags.seconds * 1_000,
      mostTries: 3,
    });
    console.log(`${replication}\n${FIGURE_TITLES}`);
    for (const fault of PEER_FAULTS) {
      const attempts = await proof.prove(fault);
      for (const figures of attempts) console.log(describeFigures(figures));
      breaches.push(
        ...breachesOf(attempts[attempts.length - 1], replication).map(
          (breach) => `${replication}, ${breach}`,
        ),
      );
      progress.step(`${replication}, ${fault.name}`);
    }
    for (const busyThreads of [0, os.availableParallelism()]) {
      const figures = await proof.underLoad(flags.seconds * 1_000, busyThreads);
      const described = `${describeLoad(figures)}, beside ${busyThreads} busy threads`;
      console.log(described);
      if (!hardlyHedges(figures)) breaches.push(`${replication}, ${described}`);
    }
  }
}
for (const breach of breaches) console.log(breach);
console.log(breaches.length === 0 ? 'All held.' : `${breaches.length} breaches`);
if (breaches.length > 0) process.exitCode = 1;
