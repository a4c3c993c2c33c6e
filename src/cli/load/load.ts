import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { formatDuration } from '../../config/units.ts';
import { errorMessage } from '../../errors.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { Interrupted } from '../interrupted.ts';
import { addSettings, isFlagGiven, readSettings } from '../options.ts';
import { print } from '../output.ts';
import { quorumSettings } from '../quorum-settings.ts';
import { htmlReport } from './html-report.ts';
import { LOAD_FILE_VERSION, type LoadFile, loadFileOf, parseLoadFile } from './json-report.ts';
import type { LoadPlan } from './plan.ts';
import { refuseWhatWorkloadsBring } from './request-flags.ts';
import { percentileMs } from './result.ts';
import { type FoundRate, LoadRun, type ProbeResult } from './run.ts';
import {
  loadSettings,
  planOf,
  type ReportSettings,
  reportSettings,
  requestSettings,
  searchSettings,
} from './settings.ts';
import { spectrumText } from './spectrum.ts';
import { describeMs, textReport } from './text-report.ts';
import { WORKLOADS } from './workloads.ts';

const MANUAL = `
Sends requests to a cluster, and says how long the answers took.

With --rate requests are due at fixed times, whether or not those before them were
answered (wrk2's method): one that finds every connection busy waits, and its
latency counts from the moment it was due. So a node that stops for a second shows
this in every request that was due meanwhile. Without --rate each connection sends
its next request as soon as it has an answer (a closed loop): that shows how much a
cluster can do, and says little about latencies.

A 404 to GET is an answer: there is nothing under the key. Any other status but 2xx
is an error, and so is a connection that breaks; all count with the time they took.
When the time is over nothing new is sent. What was due before is waited for, for
10 s at most. The line \`no answer\` counts by kind: refused, no connection was made;
broken, it ended too soon; malformed, the answer was no HTTP; unanswered, the request
still waited at the end.

Requests go over bare connections from threads of their own, one at a time on each.
When those threads are late themselves, or busy all the time, the report says NOT
VALID and the command ends with exit code 1: the figures are then those of the load
and not of the cluster. More --threads help, or another machine. On the machine of
the nodes, the load takes CPU time from them.

--key-choice: uniform takes each key equally often, zipfian a few keys very often,
latest the newest keys most often, sequential one key after the other.

--prepare writes every key once before the load, so that reads find them; key1 to
keyN are also what \`fill\` builds. The same flags and --seed send the same requests
in the same order, thread by thread. (Workloads d and e also ask for what they have
inserted: no key before its insert is acknowledged, each thread for its own.)

--find-rate doubles the rate from --rate, or 1000, until it does not hold, halves
the gap until it is below 5 %, and runs the best once more. A rate holds when 99 %
of it is achieved, the p99 is below --slo and nothing fails. Each probe takes
--warmup and --duration. When no rate holds, the exit code is 1.

--html writes one page with everything in it: latency by percentile on the axis
that HdrHistogram's plotter has, latency and answers over time, and with --overlay
the same of earlier runs.

Core workloads of YCSB (values of 1000 bytes unless --value-size says otherwise,
keys key000000000001 and so on):
${Object.entries(WORKLOADS)
  .map(([name, { keyChoice, summary }]) => `  ${name}  ${summary}; keys ${keyChoice}`)
  .join('\n')}

Environment: every flag but --prepare can be given as a variable, --value-size as
QUORATE_VALUE_SIZE and so on; a flag counts first.

Examples:
  ${PROGRAM} load --method put --rate 5000 --duration 1m --latency
  ${PROGRAM} load --prepare --keys 10000 --method mixed --mix get=95,put=5
  ${PROGRAM} load --method put --find-rate --slo 100ms --json rate.json
  ${PROGRAM} load --rate 5000 --html now.html --overlay before.json
  ${PROGRAM} load --workload a --prepare --url http://10.0.0.1:19234,http://10.0.0.2:19234

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.unreachable, ExitCode.output])}`;

export function loadCommand(): Command {
  const command = new Command('load').description(
    'Sends many requests to a cluster, and tells how long the answers took.',
  );
  addSettings(command.optionsGroup('The load:'), loadSettings);
  addSettings(command.optionsGroup('The requests:'), requestSettings);
  addSettings(command, quorumSettings);
  command.option('--prepare', 'write every key once before');
  addSettings(command.optionsGroup('Looking for a rate:'), searchSettings);
  addSettings(command.optionsGroup('The report:'), reportSettings);
  return command.addHelpText('after', MANUAL).action(() => load(command));
}

async function load(command: Command): Promise<void> {
  const request = readSettings(command, requestSettings, process.env);
  refuseWhatWorkloadsBring(command, request.workload !== 'none');
  const plan = planOf(
    readSettings(command, loadSettings, process.env),
    request,
    readSettings(command, quorumSettings, process.env),
  );
  const { findRate, sloMs } = readSettings(command, searchSettings, process.env);
  if (!findRate && isFlagGiven(command, searchSettings.sloMs))
    throw new CommandError(
      ExitCode.error,
      '--slo belongs to --find-rate, which looks for the rate that keeps it',
    );
  const report = readSettings(command, reportSettings, process.env);
  // Before anything is asked: a wrong name is not to cost a run.
  const overlays = await readOverlays(report);
  using run = new LoadRun(process.stderr);
  if (command.getOptionValue('prepare') === true) await run.prepare(plan);
  if (findRate) await search(run, plan, sloMs, report, overlays);
  else await once(run, plan, report, overlays);
}

async function once(
  run: LoadRun,
  plan: LoadPlan,
  report: ReportSettings,
  overlays: readonly LoadFile[],
): Promise<void> {
  const result = await run.load(plan);
  const { counts, requests } = result.tally;
  if (requests > 0 && requests === counts.failures.refused) {
    throw new CommandError(
      ExitCode.unreachable,
      `nothing listens at ${loadSettings.targets.format(plan.targets)}: start a cluster with \`${PROGRAM} serve\` or name another node with --url`,
    );
  }
  const file = loadFileOf(result);
  await writeReport(report.jsonFile, () => json(file));
  await writeReport(report.htmlFile, () => htmlReport([file, ...overlays]));
  await writeReport(report.hgrmFile, () => spectrumText(result.tally.latency));
  await print(textReport(result, report.spectrum));
  if (run.interruptedBy !== null) throw new Interrupted(run.interruptedBy, 'interrupted');
  if (result.faults.length > 0)
    throw new CommandError(ExitCode.error, `the load is not valid: ${result.faults[0]}`);
}

async function search(
  run: LoadRun,
  plan: LoadPlan,
  sloMs: number,
  report: ReportSettings,
  overlays: readonly LoadFile[],
): Promise<void> {
  const told: Promise<void>[] = [];
  const found = await run.findRate(plan, sloMs, (probe) => told.push(print(describeProbe(probe))));
  await Promise.all(told);
  await writeReport(report.jsonFile, () => json(searchFileOf(found, sloMs)));
  const best = found.probes.findLast(({ holds }) => holds);
  if (best !== undefined) {
    await writeReport(report.hgrmFile, () => spectrumText(best.result.tally.latency));
    await writeReport(report.htmlFile, () => htmlReport([loadFileOf(best.result), ...overlays]));
  }
  if (run.interruptedBy !== null) throw new Interrupted(run.interruptedBy, 'interrupted');
  if (found.ratePerSecond === 0) throw new CommandError(ExitCode.error, 'no rate held');
  await print(
    `Highest rate that holds: ${found.ratePerSecond} requests/s, p99 below ${formatDuration(sloMs)}`,
  );
}

function describeProbe({ holds, isConfirming, ratePerSecond, result, why }: ProbeResult): string {
  const { latency } = result.tally;
  const p99 = describeMs(percentileMs(latency, 99));
  const what = isConfirming ? 'once more' : 'tried';
  return `${String(ratePerSecond).padStart(8)} requests/s ${what}: ${holds ? 'holds' : why}, p50 ${describeMs(percentileMs(latency, 50))}, p99 ${p99}`;
}

function searchFileOf({ probes, ratePerSecond }: FoundRate, sloMs: number): unknown {
  return {
    version: LOAD_FILE_VERSION,
    ratePerSecond,
    sloMs,
    probes: probes.map(({ result, ...probe }) => ({ ...probe, load: loadFileOf(result) })),
  };
}

async function readOverlays({ htmlFile, overlayFiles }: ReportSettings): Promise<LoadFile[]> {
  if (overlayFiles.length > 0 && htmlFile === undefined)
    throw new CommandError(ExitCode.error, '--overlay belongs to --html, the page that draws the runs');
  return await Promise.all(
    overlayFiles.map(async (file) => {
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        throw new CommandError(ExitCode.error, `${file} could not be read: ${errorMessage(error)}`);
      }
      return parseLoadFile(text, file);
    }),
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

async function writeReport(file: string | undefined, content: () => string | Promise<string>): Promise<void> {
  if (file === undefined) return;
  try {
    await writeFile(file, await content());
  } catch (error) {
    throw new CommandError(ExitCode.output, `${file} could not be written: ${errorMessage(error)}`);
  }
}
