/** `npm run convergence -- [--minutes N] [--only NAME] [--seed N]` */
import { InvalidArgumentError } from 'commander';
import { seededRandom } from '../../src/clock.ts';
import { CampaignProgress } from '../support/campaign-progress.ts';
import { count, newSeed, positive, script, seedOption } from '../support/script-flags.ts';
import { CONVERGENCE_FAULTS } from './convergence-fault.ts';
import { breachesOf, ConvergenceProof, describeFigures, FIGURE_TITLES } from './convergence-proof.ts';

const NODES = 3;
const MAX_SEED = 2 ** 32 - 1;
const NAMES = CONVERGENCE_FAULTS.map(({ name }) => name);

const flags = script(
  'convergence',
  'Whether the nodes of a cluster hold the same again, and soon, after one of them was killed, frozen, cut off, slow, ' +
    'emptied, put back to an older copy, or had a full or slow disk or a wrong clock, under load: no acknowledged write ' +
    'may be lost, no read go back, and no deleted value come back.',
)
  .option('--minutes <n>', 'how long, but each fault once at least', positive, 10)
  .option('--seconds <n>', 'of each fault', count, 8)
  .option('--within <n>', 'seconds after each fault in which all nodes must hold the same', count, 60)
  .option('--gets <n>', 'GETs a second', count, 200)
  .option('--puts <n>', 'PUTs a second', count, 100)
  .option('--deletes <n>', 'DELETEs a second', count, 20)
  .option(
    '--only <names>',
    `some of the faults, with commas between: ${NAMES.join(', ')}`,
    (text: string) => {
      const names = text.split(',').map((name) => name.trim());
      const unknown = names.find((name) => !NAMES.includes(name));
      if (unknown !== undefined)
        throw new InvalidArgumentError(`There is no ${unknown}: ${NAMES.join(', ')}.`);
      return names;
    },
  )
  .addOption(seedOption(MAX_SEED))
  .parse()
  .opts<{
    minutes: number;
    seconds: number;
    within: number;
    gets: number;
    puts: number;
    deletes: number;
    only?: readonly string[];
    seed?: number;
  }>();
const seed = flags.seed ?? newSeed(MAX_SEED);
console.log(`seed ${seed}`);
const random = seededRandom(seed);
const faults = CONVERGENCE_FAULTS.filter(({ name }) => flags.only?.includes(name) ?? true);
const plan = {
  seed,
  getsPerSecond: flags.gets,
  putsPerSecond: flags.puts,
  deletesPerSecond: flags.deletes,
  faultyMs: flags.seconds * 1_000,
  equalWithinMs: flags.within * 1_000,
  args: [],
};
const breaches: string[] = [];
const durationMs = flags.minutes * 60_000;
const startedMs = performance.now();
using progress = new CampaignProgress(flags.minutes);
await using proof = await ConvergenceProof.start(plan);
console.log(FIGURE_TITLES);
for (let round = 0; round === 0 || performance.now() - startedMs < durationMs; round++) {
  for (const fault of faults) {
    const figures = await proof.prove(fault, Math.floor(random() * NODES));
    console.log(describeFigures(figures));
    breaches.push(...breachesOf(figures, plan));
    progress.reach((performance.now() - startedMs) / 60_000, fault.name);
    if (round > 0 && performance.now() - startedMs >= durationMs) break;
  }
}
for (const breach of breaches) console.log(breach);
console.log(breaches.length === 0 ? 'All held.' : `${breaches.length} breaches`);
if (breaches.length > 0) process.exitCode = 1;
