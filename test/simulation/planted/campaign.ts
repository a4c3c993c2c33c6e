/**
 * Plants one fault after the other and says in how many seeds the simulator finds it.
 *   npm run simulate:planted [-- <words of a name>]
 */
import { findPlanted } from './find.ts';
import { MUTATIONS } from './mutations.ts';

const MOST_SEEDS = 1_000;

const words = process.argv.slice(2).join(' ');
let missed = 0;
for (const mutation of MUTATIONS.filter(({ name }) => name.includes(words))) {
  const { seeds, sentence } = await findPlanted(mutation, MOST_SEEDS);
  if (seeds === 0) missed++;
  const result =
    seeds === 0 ? `not found in ${MOST_SEEDS} seeds` : `seed ${seeds}, by: ${sentence.split('\n')[0]}`;
  console.log(`${mutation.part}: ${mutation.name}: ${result}`);
}
if (missed > 0) {
  console.error(`${missed} were not found`);
  process.exitCode = 1;
}
