/** `npm run model -- --runs 2000 [--seed N] [--path P]` */
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
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
const bar = new SingleBar({
  noTTYOutput: true,
  notTTYSchedule: 10_000,
  format: '{bar} {value}/{total}, {eta} s left',
});
bar.start(runs, 0);
try {
  await checkModel({ runs, seed, path: values.path, onRun: () => bar.increment() });
} finally {
  bar.stop();
}
console.log(`${runs} runs, nothing found`);
