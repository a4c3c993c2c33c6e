import { rmdir } from 'node:fs/promises';
import os from 'node:os';
import { Command } from 'commander';
import manifest from '../../../package.json' with { type: 'json' };
import { type Address, formatAddress } from '../../address.ts';
import { systemClock } from '../../clock.ts';
import { formatDuration } from '../../config/units.ts';
import { checkNodeSettings, type NodeSettings, nodeSettings, type SettingsTable } from '../../config.ts';
import { isLoopback } from '../../host.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { Interrupted } from '../interrupted.ts';
import { LoadOperation } from '../load/operation-mix.ts';
import type { LoadPlan } from '../load/plan.ts';
import { refuseWhatWorkloadsBring } from '../load/request-flags.ts';
import { LoadRun } from '../load/run.ts';
import { loadSettings, planOf, requestSettings } from '../load/settings.ts';
import { describePlan } from '../load/text-report.ts';
import { addSettings, isFlagGiven, readSettings } from '../options.ts';
import { print } from '../output.ts';
import { quorumSettings } from '../quorum-settings.ts';
import { diffCommand } from './diff.ts';
import { makeEmptyFolder, sampleFilesOf, writeFolder } from './folder.ts';
import { OwnCluster } from './own-cluster.ts';
import { PROFILE_FOLDER_VERSION, type ProfileSummary } from './profile-folder.ts';
import { LONGEST_LOAD_MS, runAll } from './run.ts';
import { placeSettings, profileSettings } from './settings.ts';
import { type MeasuredRun, nodeFilesOf, nodeSummariesOf, overheadOf, runSummaryOf } from './summary.ts';
import { profileReport } from './text-report.ts';
import { viewFilesOf } from './view/views.ts';

const LOAD_SETTINGS = [
  'ratePerSecond',
  'connections',
  'durationMs',
  'warmUpMs',
  'threads',
  'seed',
] as const satisfies readonly (keyof typeof loadSettings)[];

/** Of the nodes that it starts. */
const OWN_NODE_SETTINGS = (Object.keys(nodeSettings) as (keyof NodeSettings)[]).filter(
  (name) => name !== 'allowProfiling',
);

const MANUAL = `
Shows what each thread of each node does while a load runs: where its CPU time goes,
what it allocates, and what it waits for.

Without --url it starts a cluster of its own, on this machine and with the flags of
\`serve\`, in a temporary folder or on the data of a stopped cluster (--data: what the
load writes stays there). The load goes to its first node. With --url it profiles
nodes that run already and were started with --allow-profiling, and the load goes to
all of them in turn. They must be on this machine and listen on a loopback address or
on all addresses (0.0.0.0), because a node lets nobody else profile it.

Each kind is recorded in a run of the same load, --duration long (at most
${formatDuration(LONGEST_LOAD_MS)}), because each makes the others dearer:
  cpu    each thread's stack, sampled every --sampling-interval whether it runs or
         waits
  heap   sampled allocations, one in about --allocation-interval bytes
  waits  each wait of a thread, by its place: for requests, for the disk, for memory,
         for sockets that take no more, and the idle event loop

Half a run without any profile comes before these and half after them, so the command
takes --warmup and (1 + number of kinds) × --duration. From these
halves come the figures of each node, and what each profile costs in CPU time of a
request.

In the printed table of nodes, yields/s and preempted/s are context switches: a thread
waited, or the system gave its core to another one. Below it stand the functions that
cost the most, and the longest waits.

Threads are named by what they do: main, writer, reader-1, background-1. What is
written to --out:
  profile.json                  all figures, for programs
  <node>/<thread>.cpuprofile    for Chrome's developer tools, speedscope and others
  <node>/<thread>.heapprofile   the same
  <node>/waits.speedscope.json  for speedscope
  cpu.html heap.html waits.html a flame graph of all nodes and threads, to be searched
                                and looked into; each is one file that needs no other

How much CPU time each thread used, in user mode and in the kernel, is measured, and
cpu.html adds up to it; how it is divided among functions is sampled. Time in the
kernel stands below the function that asked for it. Kernel time that no sampled call
explains is attributed to where the thread was seen asleep, by how long it was seen
there: below (event loop) to reading from sockets and polling them, in a sync to its
work, below functions that wait for requests to falling asleep and waking up. How long
threads did not run, and why, is in waits.html.

\`profile diff\` compares two of these folders.

When the load is NOT VALID, as \`load\` says it, everything is written all the same,
and the exit code is 1. Ctrl-C ends the run, the cluster and what was temporary, and
writes nothing.

Environment: every flag but --prepare can be given as a variable, --sampling-interval
as QUORATE_SAMPLING_INTERVAL and so on; a flag counts first.

Examples:
  ${PROGRAM} profile --method put --out put-profile
  ${PROGRAM} profile --data ./data --method get --rate 5000 --duration 30s --out get
  ${PROGRAM} profile --durability interval --kinds waits --method put --out waits
  ${PROGRAM} serve --allow-profiling &
  ${PROGRAM} profile --url http://127.0.0.1:19234 --method mixed --out mixed

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.unreachable, ExitCode.output])}`;

export function profileCommand(): Command {
  const command = new Command('profile').description(
    'Profiles the nodes of a cluster, thread by thread, under a load.',
  );
  addSettings(command.optionsGroup('The profile:'), profileSettings);
  addSettings(command.optionsGroup('Which nodes:'), placeSettings);
  addSettings(command.optionsGroup('The load:'), loadSettings, LOAD_SETTINGS);
  addSettings(command.optionsGroup('The requests:'), requestSettings);
  addSettings(command, quorumSettings);
  command.option(
    '--prepare',
    'write every key once before; a temporary cluster is prepared for reads anyway',
  );
  addSettings(command.optionsGroup('Nodes that it starts:'), nodeSettings, OWN_NODE_SETTINGS);
  command.addCommand(diffCommand());
  return command.addHelpText('after', MANUAL).action(() => profile(command));
}

async function profile(command: Command): Promise<void> {
  const { outDirectory, ...how } = readSettings(command, profileSettings, process.env);
  const place = readSettings(command, placeSettings, process.env);
  // A node that is started here is there to be profiled.
  const settings = { ...readSettings(command, nodeSettings, process.env), allowProfiling: true };
  if (outDirectory === undefined)
    throw new CommandError(ExitCode.error, 'name a new folder for the profile with --out');
  refuseContradictions(command, place.targets);
  checkNodeSettings(settings);
  const planFor = planMaker(command);
  // A wrong flag is not to cost the start of a cluster.
  refuseTooLong(planFor([]));
  const isMade = await makeEmptyFolder(outDirectory);
  try {
    using run = new LoadRun(process.stderr);
    const say = (line: string): void => void process.stderr.write(`quorate: ${line}\n`);
    await using cluster =
      place.targets === undefined ? await startCluster(run, place, settings, say) : undefined;
    const targets = place.targets ?? [addressOf(cluster?.nodes[0].httpUrl ?? '')];
    const plan = planFor(targets);
    const isTemporary = cluster !== undefined && place.dataDirectory === undefined;
    if (command.getOptionValue('prepare') === true || (isTemporary && readsAnything(plan)))
      await run.prepare(plan);
    const runs = await runAll(run, {
      plan,
      origins:
        cluster?.nodes.map(({ httpUrl }) => httpUrl) ??
        targets.map((target) => `http://${formatAddress(target)}`),
      kinds: how.kinds,
      intervals: how,
      onRun: (kind, number, count) => say(`run ${number} of ${count}: ${kind ?? 'without a profile'}`),
    });
    if (run.interruptedBy !== null) throw new Interrupted(run.interruptedBy, 'interrupted');
    await report(outDirectory, runs, {
      load: describePlan(plan),
      ...how,
      nodeSettings: cluster === undefined ? null : textOf(settings),
    });
  } catch (error) {
    // It goes only while it is empty.
    if (isMade) await rmdir(outDirectory).catch(() => undefined);
    throw error;
  }
}

function startCluster(
  run: LoadRun,
  { dataDirectory, nodes }: { readonly dataDirectory: string | undefined; readonly nodes: number },
  settings: NodeSettings,
  say: (line: string) => void,
): Promise<OwnCluster> {
  say(`starting ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`);
  return OwnCluster.start({ nodes, dataDirectory, settings, signal: run.signal, report: say });
}

async function report(
  directory: string,
  runs: readonly MeasuredRun[],
  context: Pick<ProfileSummary, 'load' | 'kinds' | 'cpuIntervalMs' | 'heapIntervalBytes' | 'nodeSettings'>,
): Promise<void> {
  const nodes = nodeFilesOf(runs);
  const samples = sampleFilesOf(nodes);
  const runSummaries = runs.map(runSummaryOf);
  const faults = runSummaries.flatMap((run) => run.faults);
  const summary: ProfileSummary = {
    version: PROFILE_FOLDER_VERSION,
    quorate: manifest.version,
    runtime: `Node ${process.versions.node}`,
    machine: describeMachine(),
    createdAt: new Date(systemClock.nowMs()).toISOString(),
    ...context,
    isValid: faults.length === 0,
    runs: runSummaries,
    nodes: nodeSummariesOf(runs),
    overhead: overheadOf(runSummaries),
    files: [...samples.keys()],
  };
  const files = new Map([...samples, ...(await viewFilesOf({ summary, nodes }))]);
  await writeFolder(directory, files, { ...summary, files: [...files.keys()] });
  await print(profileReport(summary, nodes));
  if (faults.length > 0) throw new CommandError(ExitCode.error, `the load is not valid: ${faults[0]}`);
}

function planMaker(command: Command): (targets: readonly Address[]) => LoadPlan {
  const load = readSettings(command, loadSettings, process.env, LOAD_SETTINGS);
  const request = readSettings(command, requestSettings, process.env);
  const quorum = readSettings(command, quorumSettings, process.env);
  refuseWhatWorkloadsBring(command, request.workload !== 'none');
  return (targets) => planOf({ ...load, targets }, request, quorum);
}

function refuseTooLong({ durationMs }: LoadPlan): void {
  if (durationMs <= LONGEST_LOAD_MS) return;
  const longest = formatDuration(LONGEST_LOAD_MS);
  throw new CommandError(
    ExitCode.error,
    `--duration ${formatDuration(durationMs)} is too long: with what the end of the load may take, a node can be profiled for ${longest} at most`,
  );
}

/** Nodes that run already have their own settings, and are on this machine. */
function refuseContradictions(command: Command, targets: readonly Address[] | undefined): void {
  if (targets === undefined) return;
  const far = targets.find(({ host }) => !isLoopback(host));
  if (far !== undefined)
    throw new CommandError(
      ExitCode.error,
      `${formatAddress(far)} is not on this machine: a node lets itself be profiled through a loopback address alone, so run this there, with --url http://127.0.0.1:${far.port}`,
    );
  const own: SettingsTable<Record<string, unknown>> = {
    nodes: placeSettings.nodes,
    data: placeSettings.dataDirectory,
    ...nodeSettings,
  };
  const given = Object.values(own).find((setting) => isFlagGiven(command, setting));
  if (given !== undefined)
    throw new CommandError(
      ExitCode.error,
      `--${given.flag} has no meaning with --url, whose nodes run already`,
    );
}

function readsAnything({ shares }: LoadPlan): boolean {
  return shares.some(
    (share, operation) => share > 0 && operation !== LoadOperation.put && operation !== LoadOperation.delete,
  );
}

function addressOf(url: string): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function textOf(settings: NodeSettings): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, setting] of Object.entries(nodeSettings))
    texts[setting.flag] = setting.format(settings[name as keyof NodeSettings] as never);
  return texts;
}

function describeMachine(): string {
  const cpus = os.cpus();
  return `${os.type()} ${os.release()} ${os.arch()}, ${cpus.length} × ${cpus[0]?.model.trim() ?? 'CPU'}`;
}
