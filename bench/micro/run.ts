/**
 * `npm run bench:micro`: what the parts of a request cost, one by one. The method is in bench/README.md.
 *
 *   node bench/micro/run.ts [--only PATTERN] [--time-ms 500] [--rounds 5] [--json FILE] [--compare FILE] [--list]
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Presets, SingleBar } from 'cli-progress';
import { type FoundCase, loadCases } from './load-cases.ts';
import type { Measured } from './measure.ts';
import type { MeasureRequest } from './measure-thread.ts';
import { readResults, resultsOf, writeResults } from './results-file.ts';
import { compare, type Figure, figureOf } from './statistics.ts';
import { comparisonTable, figuresTable } from './tables.ts';

const THREAD = new URL('./measure-thread.ts', import.meta.url);
const KEPT_FILE = fileURLToPath(new URL('../results/micro.json', import.meta.url));

interface Flags {
  readonly only: string | undefined;
  readonly list: boolean;
  /** Of one case, all rounds together. */
  readonly timeMs: number;
  readonly rounds: number;
  readonly json: string | undefined;
  readonly compare: string | undefined;
}

function readFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      'time-ms': { type: 'string', default: '500' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'string' },
      compare: { type: 'string' },
    },
  });
  return {
    only: values.only,
    list: values.list,
    timeMs: wholeNumber('time-ms', values['time-ms']),
    rounds: wholeNumber('rounds', values.rounds),
    json: values.json,
    compare: values.compare,
  };
}

function wholeNumber(flag: string, text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new Error(`--${flag} ${text}: give a whole number from 1 on`);
}

/** One round of one case, in a thread of its own. */
async function measureInThread(request: MeasureRequest): Promise<Measured> {
  const worker = new Worker(THREAD, { workerData: request });
  const [measured] = (await once(worker, 'message')) as [Measured];
  await worker.terminate();
  return measured;
}

/** Round by round over all cases, so that a busy minute of the machine falls on all of them. */
async function measureAll(found: readonly FoundCase[], flags: Flags): Promise<Figure[]> {
  const rounds = found.map((): Measured[] => []);
  const bar = new SingleBar(
    {
      format: '{bar} {percentage} %  {name}',
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  bar.start(found.length * flags.rounds, 0, { name: '' });
  try {
    for (let round = 0; round < flags.rounds; round++) {
      for (const [index, { file, microCase }] of found.entries()) {
        bar.update({ name: microCase.name });
        const request = { file, name: microCase.name, timeMs: flags.timeMs / flags.rounds };
        rounds[index].push(await measureInThread(request));
        bar.increment();
      }
    }
  } finally {
    bar.stop();
  }
  return found.map(({ microCase }, index) =>
    figureOf(
      microCase.name,
      rounds[index].map(({ nsPerOperation }) => nsPerOperation),
      rounds[index].reduce((sum, { samples }) => sum + samples, 0),
    ),
  );
}

async function main(args: readonly string[]): Promise<void> {
  const flags = readFlags(args);
  const pattern = new RegExp(flags.only ?? '', 'i');
  const found = (await loadCases()).filter(({ microCase }) => pattern.test(microCase.name));
  if (found.length === 0) throw new Error(`no case matches ${flags.only}: --list names them all`);
  if (flags.list) {
    for (const { microCase } of found) console.log(microCase.name);
    return;
  }
  // Before anything is measured or written: the file may be the one this run replaces.
  const earlier = flags.compare === undefined ? undefined : readResults(flags.compare);
  const results = resultsOf(await measureAll(found, flags), flags.timeMs);
  console.log(`Node ${results.node}, ${results.processor}; ${flags.rounds} rounds\n`);
  console.log(figuresTable(results.figures));
  if (earlier !== undefined) {
    for (const field of ['node', 'processor'] as const) {
      if (earlier[field] !== results[field])
        console.log(`\nThe earlier run had another ${field}: ${earlier[field]}`);
    }
    console.log(`\n${comparisonTable(compare(earlier.figures, results.figures))}`);
  }
  // What a few cases came to does not take the place of all.
  const file = flags.json ?? (flags.only === undefined ? KEPT_FILE : undefined);
  if (file !== undefined) writeResults(file, results);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`bench:micro: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
