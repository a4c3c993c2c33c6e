/**
 * `npm run bench:engine`: the figures the engine is to reach, each beside its bound. The method is in
 * bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseSize } from '../../src/config/units.ts';
import { endAllBound } from '../support/bound-child.ts';
import { checkNeeds } from '../support/needs.ts';
import { BenchContext, type RunSettings } from './context.ts';
import { describeFinding, type Figure, type Finding, isReached } from './figure.ts';
import { getHot, getHotLarge, getUniform, put } from './figures/against-map.ts';
import { aloneGet, alonePut, aloneRange } from './figures/alone.ts';
import { fillAgainstDd } from './figures/fill.ts';
import { memory } from './figures/memory.ts';
import { overwrites, overwritesSmall } from './figures/overwrites.ts';
import { range } from './figures/range.ts';
import { getAbsent, getCold, getOnMain } from './figures/reads.ts';
import { restart } from './figures/restart.ts';

/** In the order they run: those that write come after those that read. */
const FIGURES: readonly Figure[] = [
  fillAgainstDd,
  getUniform,
  getHotLarge,
  getHot,
  getAbsent,
  getOnMain,
  getCold,
  put,
  restart,
  overwrites,
  overwritesSmall,
  range,
  alonePut,
  aloneGet,
  aloneRange,
  memory,
];

const HELP = `node bench/engine/run.ts [flags]

  --list           names what can be measured
  --only A,B       just these
  --quick          small data and short runs, to try the harness
  --seconds 10     of each run of a load
  --rounds 3       pairs of runs
  --warm-up 60     seconds before reads are timed
  --minutes 10     of the long overwrites
  --size 1GiB      keys and values of a node
  --data DIR       keeps the data there for the next run
  --json FILE      writes the results there as well`;

const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    'warm-up': { type: 'string' },
    minutes: { type: 'string' },
    size: { type: 'string' },
    data: { type: 'string' },
    json: { type: 'string' },
  },
});

function readSettings(): RunSettings {
  const isQuick = flags.quick;
  const number = (given: string | undefined, quick: number, full: number): number => {
    const value = given === undefined ? (isQuick ? quick : full) : Number(given);
    if (!(value > 0)) throw new Error(`${given} is not a number above 0`);
    return value;
  };
  return {
    isQuick,
    seconds: number(flags.seconds, 2, 10),
    rounds: number(flags.rounds, 1, 3),
    warmUpSeconds: number(flags['warm-up'], 2, 60),
    minutes: number(flags.minutes, 0.1, 10),
    sizeBytes: parseSize(flags.size ?? (isQuick ? '64MiB' : '1GiB')),
    dataDirectory: flags.data === undefined ? undefined : resolve(flags.data),
  };
}

function chosenFigures(): readonly Figure[] {
  if (flags.only === undefined) return FIGURES;
  return flags.only.split(',').map((name) => {
    const figure = FIGURES.find((known) => known.name === name.trim());
    if (figure === undefined) {
      throw new Error(`there is no figure ${name}: ${FIGURES.map((known) => known.name).join(', ')}`);
    }
    return figure;
  });
}

interface Result {
  readonly name: string;
  readonly title: string;
  readonly findings: readonly Finding[];
  readonly error?: string;
}

async function measure(figure: Figure, context: BenchContext): Promise<Result> {
  const { name, title } = figure;
  context.progress(`${name}: ${title}`);
  try {
    const findings = await figure.run(context);
    console.log(`${name}: ${title}`);
    for (const finding of findings) console.log(describeFinding(finding));
    return { name, title, findings };
  } catch (error) {
    // The others can be measured all the same.
    console.log(`${name}: ${title}\n  NOT MEASURED: ${error instanceof Error ? error.message : error}`);
    return { name, title, findings: [], error: String(error) };
  }
}

async function main(): Promise<void> {
  const figures = chosenFigures();
  const settings = readSettings();
  await checkNeeds(new Set(figures.flatMap(({ needs }) => needs)));
  const results: Result[] = [];
  await using context = new BenchContext(settings);
  let isStopping = false;
  const stop = (): void => {
    isStopping = true;
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    void endAllBound()
      .then(() => context[Symbol.asyncDispose]())
      .finally(() => process.exit(130));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  for (const figure of figures) {
    results.push(await measure(figure, context));
    // What is under way fails as its processes end; the handler does the rest.
    if (isStopping) return await new Promise(() => undefined);
  }
  if (flags.json !== undefined) {
    const machine = { node: process.version, cpu: os.cpus()[0]?.model, cores: os.availableParallelism() };
    const findings = results.map((result) => ({
      ...result,
      findings: result.findings.map((finding) => ({ ...finding, reached: isReached(finding) ?? null })),
    }));
    writeFileSync(flags.json, `${JSON.stringify({ machine, settings, results: findings }, null, 2)}\n`);
  }
  const failed = results.some(
    ({ error, findings }) => error !== undefined || findings.some((f) => isReached(f) === false),
  );
  if (failed) process.exitCode = 1;
}

try {
  if (flags.help) console.log(HELP);
  else if (flags.list) for (const { name, title } of FIGURES) console.log(`${name.padEnd(18)} ${title}`);
  else await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
