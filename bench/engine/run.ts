/**
 * `npm run bench:engine`: the figures that the engine has to reach, each with its bound. The method is in
 * bench/README.md.
 */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { count, positive, script, sizeBytes } from '../../test/support/script-flags.ts';
import { endAllBound } from '../support/bound-child.ts';
import { checkNeeds } from '../support/needs.ts';
import { BenchContext, type RunSettings } from './context.ts';
import { describeFinding, type Figure, type Finding, isReached } from './figure.ts';
import { getHot, getHotLarge, getUniform, put } from './figures/against-map.ts';
import { fillAgainstDd } from './figures/fill.ts';
import { memory } from './figures/memory.ts';
import { overwrites, overwritesSmall } from './figures/overwrites.ts';
import { range } from './figures/range.ts';
import { getAbsent, getCold, getOnMain } from './figures/reads.ts';
import { restart } from './figures/restart.ts';

const MIB = 2 ** 20;

/** In the order in which they run: those that write come after those that read. */
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
  memory,
];

const flags = script(
  'bench:engine',
  'The figures of the engine and of a cluster over it, each beside its bound. Needs wrk and GNU dd for some of them.',
)
  .option('--list', 'names what can be measured')
  .option('--only <names>', 'just these, separated by commas', figuresOf)
  .option('--quick', 'small data and short runs, to try the harness', false)
  .option('--seconds <n>', 'of each run of a load (10; quick: 2)', positive)
  .option('--rounds <n>', 'pairs of runs (3; quick: 1)', count)
  .option('--warm-up <n>', 'seconds before reads are timed (60; quick: 2)', positive)
  .option('--minutes <n>', 'of the long overwrites (10; quick: 0.1)', positive)
  .option('--size <size>', 'keys and values of a node (1GiB; quick: 64MiB)', sizeBytes)
  .option('--data <dir>', 'keeps the data there for the next run')
  .option('--json <file>', 'writes the results there as well')
  .parse()
  .opts<Flags>();

interface Flags {
  readonly list?: true;
  readonly only?: readonly Figure[];
  readonly quick: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly warmUp?: number;
  readonly minutes?: number;
  readonly size?: number;
  readonly data?: string;
  readonly json?: string;
}

function figuresOf(names: string): readonly Figure[] {
  return names.split(',').map((name) => {
    const figure = FIGURES.find((known) => known.name === name.trim());
    if (figure === undefined) {
      throw new InvalidArgumentError(
        `There is no ${name}: ${FIGURES.map((known) => known.name).join(', ')}.`,
      );
    }
    return figure;
  });
}

function runSettings(): RunSettings {
  const { quick: isQuick } = flags;
  return {
    isQuick,
    seconds: flags.seconds ?? (isQuick ? 2 : 10),
    rounds: flags.rounds ?? (isQuick ? 1 : 3),
    warmUpSeconds: flags.warmUp ?? (isQuick ? 2 : 60),
    minutes: flags.minutes ?? (isQuick ? 0.1 : 10),
    sizeBytes: flags.size ?? (isQuick ? 64 : 1024) * MIB,
    dataDirectory: flags.data === undefined ? undefined : resolve(flags.data),
  };
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
    // The other figures can still be measured.
    console.log(`${name}: ${title}\n  NOT MEASURED: ${error instanceof Error ? error.message : error}`);
    return { name, title, findings: [], error: String(error) };
  }
}

async function main(): Promise<void> {
  const figures = flags.only ?? FIGURES;
  const settings = runSettings();
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
    // What is running fails because its processes end; the signal handler does the rest.
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
  if (flags.list) for (const { name, title } of FIGURES) console.log(`${name.padEnd(18)} ${title}`);
  else await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
