/**
 * `npm run bench:micro`: what the parts of a request cost, one by one. The method is in bench/README.md.
 */
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { count, script } from '../../test/support/script-flags.ts';
import { loadCases } from './load-cases.ts';
import { readResults, resultsOf, writeResults } from './results-file.ts';
import { measureRounds } from './rounds.ts';
import { compare } from './statistics.ts';
import { comparisonTable, figuresTable } from './tables.ts';

const KEPT_FILE = fileURLToPath(new URL('../results/micro.json', import.meta.url));

interface Flags {
  readonly only?: RegExp;
  readonly list?: true;
  /** The time for one case, all rounds together. */
  readonly timeMs: number;
  readonly rounds: number;
  readonly json?: string;
  readonly compare?: string;
}

const flags: Flags = script('bench:micro', 'What the parts of a request cost, one by one.')
  .option('--list', 'names the cases')
  .option('--only <pattern>', 'a regular expression: just the cases whose names match it', pattern)
  .option('--time-ms <n>', 'of one case, all rounds together', count, 500)
  .option(
    '--rounds <n>',
    'over all cases, so that a busy minute of the machine falls on all of them',
    count,
    5,
  )
  .option(
    '--json <file>',
    'where the results are kept; left out, bench/results/micro.json when all are measured',
  )
  .option('--compare <file>', 'results of an earlier run, to be compared with this one')
  .parse()
  .opts();

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<void> {
  const found = (await loadCases()).filter(({ microCase }) => flags.only?.test(microCase.name) ?? true);
  if (found.length === 0) throw new Error(`no case matches ${flags.only?.source}: --list names them all`);
  if (flags.list) {
    for (const { microCase } of found) console.log(microCase.name);
    return;
  }
  // Read it before anything is measured or written, because this run may replace the file.
  const earlier = flags.compare === undefined ? undefined : readResults(flags.compare);
  const results = resultsOf(await measureRounds(found, flags.rounds, flags.timeMs), flags.timeMs);
  console.log(`Node ${results.node}, ${results.processor}; ${flags.rounds} rounds\n`);
  console.log(figuresTable(results.figures));
  if (earlier !== undefined) {
    for (const field of ['node', 'processor'] as const) {
      if (earlier[field] !== results[field])
        console.log(`\nThe earlier run had another ${field}: ${earlier[field]}`);
    }
    console.log(`\n${comparisonTable(compare(earlier.figures, results.figures))}`);
  }
  // The results of a few cases must not replace those of all.
  const file = flags.json ?? (flags.only === undefined ? KEPT_FILE : undefined);
  if (file !== undefined) writeResults(file, results);
}

try {
  await main();
} catch (error) {
  console.error(`bench:micro: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
