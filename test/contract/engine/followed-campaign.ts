/** `npm run followed -- --runs 50 [--seed N]` */
import { seededRandom } from '../../../src/clock.ts';
import { CampaignProgress } from '../../support/campaign-progress.ts';
import { lookAlong, runFollowed } from '../../support/followed-engine.ts';
import { count, newSeed, script, seedOption } from '../../support/script-flags.ts';

const MAX_SEED = 0x3fff_ffff;
const MAX_DELAY_MS = 80;
const flags = script(
  'followed',
  'Random runs of an engine, read between its calls to the file system: what a reader shows must be what the writer had at one moment. A difference is printed with the seed of its run.',
)
  .option('--runs <n>', 'random runs', count, 50)
  .addOption(seedOption(MAX_SEED))
  .parse()
  .opts<{ runs: number; seed?: number }>();
const { runs, seed: first = newSeed(MAX_SEED) } = flags;
console.log(`seed ${first}, ${runs} runs`);
let looks = 0;
{
  using progress = new CampaignProgress(runs);
  for (let seed = first; seed < first + runs; seed++) {
    const random = seededRandom(seed);
    const backgroundDelayMs = Math.floor(random() * MAX_DELAY_MS);
    const longLogs = seed % 4 === 3;
    const likely = random() ** 3 / (longLogs ? 50 : 5);
    try {
      const run = await runFollowed({
        seed,
        steps: longLogs ? 400 : 150,
        backgroundDelayMs,
        failing: seed % 3 === 0 ? 0.4 : 0,
        dies: seed % 3 === 1,
        longLogs,
      });
      const counts = await lookAlong(run, {
        seed,
        reopenEvery: 2 + Math.floor(random() * 30),
        stepsPerCall: (draw) => (draw() < likely ? Math.floor(draw() * 20) : 0),
        stepsPerFrozenCall: (draw) => (draw() < 4 * likely ? Math.floor(draw() * 5) : 0),
        stepsPerLook: (draw) => Math.floor(draw() * 6),
      });
      looks += counts.looks;
    } catch (cause) {
      throw new Error(`the run of seed ${seed} (--seed ${seed} --runs 1)`, { cause });
    }
    progress.step();
  }
}
console.log(`${runs} runs, ${looks} looks, nothing found`);
