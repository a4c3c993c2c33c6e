import os from 'node:os';
import { Command } from 'commander';
import { systemClock, systemRandom } from '../../clock.ts';
import { PROGRAM } from '../../program.ts';
import { makePlan } from '../../simulation/plan/make-plan.ts';
import type { Plan } from '../../simulation/plan/plan.ts';
import { type RunResult, runPlan } from '../../simulation/run.ts';
import { idsOf, only, shrink } from '../../simulation/shrink.ts';
import { KeptTrace } from '../../simulation/trace.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { addSettings, environmentManual, isFlagGiven, readSettings } from '../options.ts';
import { print } from '../output.ts';
import { StopSignals } from '../stop-signals.ts';
import { Campaign } from './campaign.ts';
import { coverageLines, shrunkLines, summaryLines, violationLines } from './report.ts';
import { MAX_SEED, MAX_THREADS, type SimulateSettings, simulateSettings } from './settings.ts';

/** Runs that are made to find a smaller plan, and of how many failed seeds. */
const MAX_SHRINKING_RUNS = 400;
const MAX_SHRUNK_SEEDS = 3;
const PROGRESS_MS = 10_000;
/** Flags of runs of several seeds. */
const OF_SEVERAL = ['seeds', 'firstSeed', 'minutes', 'threads'] as const;

const MANUAL = `
Runs whole clusters of three to seven nodes in this process: the nodes as they are,
over simulated clocks, disks and a simulated network. A seed decides everything: the
cluster, what its clients ask, and which faults meet it when. The same seed gives
the same run, to the last byte. Nothing is read or written outside this process.

Faults: clocks that are set or drift; links that are cut, blocked in one direction
or both, slow, late or full; nodes that are killed, frozen, restarted, or lose their
power and with it what was not synced; disks that are full, slow, refuse calls or
syncs, or change a byte; folders that are emptied, put back to an older copy, or
declared whole although something is missing.

Then everything is mended, and what the clients saw and the disks hold is judged:
- a write that was acknowledged is on as many disks as acknowledged it, less those
  that lost what they had; one that began later wins over it
- a read whose quorum overlaps with a write's sees it, or a newer one; reads whose
  quorums overlap do not go back
- requests with consistency=linearizable are
- values live as long as they should, and what is deleted or expired stays away
- scans show what their node has, in order, and nothing deleted, expired or foreign
- equal entity tags are the same write, a 304 is of the version that its client has,
  and what is told with explain=1 fits the answer
- every request is answered once, in its time, and nothing is left of it then
- what anti-entropy has settled is with all owners of a key; where no node ended,
  hints bring what was missed before any owners are compared
- nodes come back, and within 20 s all owners of a key have the same
- copies are with a key's owners, and no others
Only what disks lost is excused: emptied folders, older copies, changed bytes.

A seed that breaks a promise is printed, and made smaller by leaving out faults and
requests for as long as it still breaks it. The table at the end says how many
requests of each kind were under way while each kind of fault held.

Examples:
  ${PROGRAM} simulate --seeds 1000
  ${PROGRAM} simulate --minutes 30 --seeds 1000000
  ${PROGRAM} simulate --seed 17 --trace

${environmentManual(simulateSettings)}

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.output])}`;

export function simulateCommand(): Command {
  const command = new Command('simulate').description(
    'Runs clusters in simulated worlds full of faults, and checks that they keep what is promised.',
  );
  return addSettings(command, simulateSettings)
    .addHelpText('after', MANUAL)
    .action(() => simulate(command));
}

async function simulate(command: Command): Promise<void> {
  const settings = readSettings(command, simulateSettings, process.env);
  const { seed } = settings;
  if (seed !== undefined) {
    const given = OF_SEVERAL.find((name) => isFlagGiven(command, simulateSettings[name]));
    if (given === undefined) return runOne(seed, settings);
    throw new CommandError(
      ExitCode.error,
      `--${simulateSettings[given].flag} has no meaning with --seed, which runs that seed alone`,
    );
  }
  if (settings.trace || settings.only !== undefined)
    throw new CommandError(ExitCode.error, '--trace and --only need --seed, which says what to run');
  return runMany(settings);
}

async function runOne(seed: number, { only: ids, trace: isTraced }: SimulateSettings): Promise<void> {
  const whole = makePlan(seed);
  const plan = ids === undefined ? whole : onlyThese(whole, seed, ids.split(','));
  const trace = new KeptTrace();
  const result = await runPlan(plan, trace);
  if (isTraced) await print(trace.lines.join('\n'));
  const { faults, requests, simulatedMs } = result.figures;
  await print(
    `seed ${seed}: ${requests} requests, ${faults} faults, ${(simulatedMs / 1000).toFixed(1)} s of simulated time, trace ${trace.digest()}`,
  );
  if (result.violations.length === 0) return;
  await print(violationLines(seed, result.violations).join('\n'));
  if (ids === undefined) await showShrunk(whole, result);
  throw new CommandError(ExitCode.error, `seed ${seed} broke a promise`);
}

function onlyThese(whole: Plan, seed: number, ids: readonly string[]): Plan {
  const known = new Set(idsOf(whole));
  const unknown = ids.find((id) => !known.has(id));
  if (unknown === undefined) return only(whole, new Set(ids));
  const { faults, requests } = whole;
  throw new CommandError(
    ExitCode.error,
    `--only names ${JSON.stringify(unknown)}, which seed ${seed} does not have: it has ${requests.length} requests (r${requests[0].id} and on) and ${faults.length} faults (f${faults[0]?.id ?? 0} and on), and --trace shows them`,
  );
}

async function runMany(settings: SimulateSettings): Promise<void> {
  const { minutes, seeds } = settings;
  const threads = settings.threads ?? Math.min(os.availableParallelism(), MAX_THREADS);
  const firstSeed = settings.firstSeed ?? Math.floor(systemRandom() * (MAX_SEED - seeds));
  await print(`seeds ${firstSeed} to ${firstSeed + seeds - 1}`);
  const maxMs = minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000;
  const campaign = new Campaign({ firstSeed, seeds, threads, maxMs }, systemClock);
  const stop = new AbortController();
  using _signals = new StopSignals(systemClock, () => stop.abort());
  const progress = systemClock.every(PROGRESS_MS, () =>
    process.stderr.write(`${campaign.seedsDone} seeds\n`),
  );
  const result = await campaign.run(stop.signal).finally(() => progress.cancel());
  await print([...coverageLines(result.coverage), '', ...summaryLines(result)].join('\n'));
  for (const [index, { seed, violations }] of result.failed.entries()) {
    await print(violationLines(seed, violations).join('\n'));
    if (index < MAX_SHRUNK_SEEDS && !stop.signal.aborted) {
      const plan = makePlan(seed);
      await showShrunk(plan, await runPlan(plan));
    }
  }
  if (result.failed.length > 0)
    throw new CommandError(
      ExitCode.error,
      `${result.failed.length} of ${result.seeds} seeds broke a promise`,
    );
}

/** Looks for less that breaks the same promise. */
async function showShrunk(whole: Plan, { violations }: RunResult): Promise<void> {
  const broken = new Set(violations.map(({ check }) => check));
  const breaksStill = async (plan: Plan): Promise<boolean> =>
    (await runPlan(plan)).violations.some(({ check }) => broken.has(check));
  const shrunk = await shrink(whole, breaksStill, MAX_SHRINKING_RUNS);
  await print(shrunkLines(whole, shrunk).join('\n'));
}
