import { count, script } from '../../support/script-flags.ts';
import { findPlanted } from './find.ts';
import { MUTATIONS } from './mutations.ts';

const { name: words, seeds: mostSeeds } = script(
  'simulate:planted',
  'Plants one fault after the other and says in how many seeds the simulator finds it.',
)
  .option('--name <words>', 'plant only the faults with this in their name', '')
  .option('--seeds <n>', 'give a fault up after so many', count, 1_000)
  .parse()
  .opts<{ name: string; seeds: number }>();

let missed = 0;
for (const mutation of MUTATIONS.filter(({ name }) => name.includes(words))) {
  const { seeds, sentence } = await findPlanted(mutation, mostSeeds);
  if (seeds === 0) missed++;
  const result =
    seeds === 0 ? `not found in ${mostSeeds} seeds` : `seed ${seeds}, by: ${sentence.split('\n')[0]}`;
  console.log(`${mutation.part}: ${mutation.name}: ${result}`);
}
if (missed > 0) {
  console.error(`${missed} were not found`);
  process.exitCode = 1;
}
