/**
 * `npm run report`: measures this project as the report that it descends from measured its predecessor, and writes what
 * it finds as docs/report/. The method is in bench/README.md.
 */
import { readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import { count, script } from '../../test/support/script-flags.ts';
import { endAllBound } from '../support/bound-child.ts';
import { DataFolder } from './data-folder.ts';
import { fingerprintOf } from './fingerprint.ts';
import { describeSeconds } from './numbers.ts';
import { chooseSteps, secondsLeft } from './plan.ts';
import { buildReport, publishResults } from './publish.ts';
import { gatherResults } from './results.ts';
import { runSteps } from './runner.ts';
import { SCALES, type Scale, type ScaleName, scaleOf } from './scale.ts';
import { stepsOf } from './steps/all.ts';
import { WorkFolder } from './work-folder.ts';

const OUT = fileURLToPath(new URL('../../docs/report', import.meta.url));
const TEMPLATE = join(OUT, 'report.template.md');
const WORK = fileURLToPath(new URL('../results/report', import.meta.url));

interface Flags {
  readonly list?: true;
  readonly only?: readonly string[];
  readonly restart?: true;
  readonly quick?: true;
  readonly scale?: ScaleName;
  readonly rounds?: number;
  readonly build?: true;
  readonly out?: string;
  readonly work: string;
  readonly data: string;
}

const MANUAL = `
Runs step after step, each by commands of the product or scripts of the benchmarks
in processes of their own, and keeps what each step brings. Ctrl-C ends it; the next
run goes on with the step that was running. A step that fails is reported and does
not stop the others; the next run tries it again. What was measured counts until the
settings change, or the code that was measured.

It needs Linux, dd and fincore (Debian: coreutils, util-linux), and 5 GiB below
--data. Nothing else should run on the machine. The data and all processes are gone
at the end of every run.

The report is the text in docs/report/report.template.md, with the figures put in.
When a conclusion in it disagrees with the figures, the sentence is printed with what
was measured, and the report is not written: correct the sentence and run it with
--build. With --quick or --scale no conclusion is judged, and the report goes into
the folder of the results.

The method is in bench/README.md.

Examples:
  npm run report
  npm run report -- --list
  npm run report -- --only put-turn-1,page-cache --restart
  npm run report -- --quick
  npm run report -- --build

Exit codes:
  0  done
  1  a step failed, a conclusion disagrees, or the folder is too large
  130, 143: ended by Ctrl-C, SIGTERM`;

const command = script(
  'report',
  'Measures PUT and GET, sequential, parallel and hedged, and writes a report.',
)
  .option('--list', 'names the steps, with how long each takes and whether it is done')
  .option('--only <steps>', 'just these and what they need, separated by commas', (text) => text.split(','))
  .option('--restart', 'forgets what earlier runs have measured, with --only of those steps')
  .option('--build', 'writes the report from the results that docs/report/ holds, and measures nothing')
  .option('--quick', 'small data and short runs: tries everything, and its figures mean nothing')
  .option('--scale <name>', `how much is measured: ${SCALES.join(', ')} (full; --quick: quick)`, scaleName)
  .option('--rounds <n>', 'runs of what a table takes a median of (full: 3)', count)
  .option('--out <dir>', 'where the report goes (full: docs/report; else beside the results)')
  .option('--work <dir>', 'where results are kept until all are there', WORK)
  .option('--data <dir>', 'where the data lies meanwhile, 5 GiB', tmpdir())
  .addHelpText('after', MANUAL);
const flags = command.parse().opts<Flags>();

function scaleName(text: string): ScaleName {
  const name = SCALES.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`There are ${SCALES.join(', ')}.`);
  return name;
}

async function main(): Promise<void> {
  const scale = scaleOf(flags.scale ?? (flags.quick === true ? 'quick' : 'full'), flags.rounds);
  const steps = chooseSteps(stepsOf(scale), flags.only);
  const { commit, key } = fingerprintOf(scale);
  const work = new WorkFolder(join(resolve(flags.work), `${scale.name}-${key}`));
  if (flags.list === true) {
    for (const step of steps) {
      const state = work.read(step.name)?.state ?? 'to do';
      console.log(
        `${step.name.padEnd(24)} ${describeSeconds(step.budgetSeconds).padStart(6)}  ${state.padEnd(6)}  ${step.title}`,
      );
    }
    console.log(`about ${describeSeconds(secondsLeft([], steps))} in all; results in ${work.path}`);
    return;
  }
  const out = resolve(flags.out ?? (scale.isJudged ? OUT : join(work.path, 'report')));
  if (flags.build === true) return build(out, work);
  if (flags.restart === true) {
    if (flags.only === undefined) work.clear();
    else for (const name of flags.only) work.forget(name);
  }
  const abort = new AbortController();
  using data = new DataFolder(resolve(flags.data));
  process.once('exit', () => data[Symbol.dispose]());
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt(abort, signal));
  const failed = await runSteps({
    steps,
    scale,
    work,
    data,
    commit,
    signal: abort.signal,
    tell: (line) => process.stderr.write(`${line}\n`),
  });
  publish(scale, work, out);
  if (failed.length > 0) {
    console.error(
      `report: ${failed.length} steps failed: ${failed.join(', ')}; run it again to try them again`,
    );
    process.exitCode = 1;
  }
}

function publish(scale: Scale, work: WorkFolder, out: string): void {
  const names = stepsOf(scale).map(({ name }) => name);
  const missing = names.filter((name) => work.read(name) === undefined);
  if (scale.isJudged && missing.length > 0) {
    console.log(`the report is written once all steps have been tried; to do: ${missing.join(', ')}`);
    return;
  }
  publishResults(gatherResults(scale, names, work), work, out);
  build(out, work);
}

function build(out: string, work: WorkFolder): void {
  const template = readFileSync(TEMPLATE, 'utf8');
  const faults = buildReport({ template, out, draft: join(work.path, 'draft.md') });
  for (const fault of faults) console.error(`report: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
  else console.log(`the report is ${join(out, 'report.md')}`);
}

/** The first time the step that is running is given up and its processes end; the second time this process does. */
function interrupt(abort: AbortController, signal: 'SIGINT' | 'SIGTERM'): void {
  process.exitCode = 128 + constants.signals[signal];
  if (abort.signal.aborted) process.exit();
  abort.abort(new Error('interrupted; run it again and it goes on with the step that was running'));
  void endAllBound();
}

try {
  await main();
} catch (error) {
  console.error(`report: ${error instanceof Error ? error.message : error}`);
  process.exitCode = process.exitCode ?? 1;
}
