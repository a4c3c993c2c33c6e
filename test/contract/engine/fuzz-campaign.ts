/** `npm run fuzz -- --seconds 60 [--seed N]` */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fuzzEngine } from '../../support/engine-fuzz.ts';
import { count, newSeed, script, seedOption } from '../../support/script-flags.ts';

const MAX_SEED = 0x7fff_ffff;
const flags = script(
  'fuzz',
  'Random calls, many at once, to an engine with its real threads and files, under random options: every answer is checked. The seed draws the same calls again, but threads take turns as they will. The folder of a run that failed is kept.',
)
  .option('--seconds <n>', 'how long', count, 60)
  .addOption(seedOption(MAX_SEED))
  .parse()
  .opts<{ seconds: number; seed?: number }>();
const { seconds, seed = newSeed(MAX_SEED) } = flags;
console.log(`seed ${seed}, ${seconds} s`);
const directory = mkdtempSync(join(tmpdir(), 'native-free-lsm-fuzz-'));
try {
  await fuzzEngine({ directory, seed, durationMs: seconds * 1000, log: console.log });
} catch (error) {
  // Threads of the engine may be left.
  console.error(error);
  console.error(`the folder is ${directory}`);
  process.exit(1);
}
rmSync(directory, { recursive: true });
console.log('nothing found');
