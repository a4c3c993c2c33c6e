import { Command } from 'commander';
import { MAX_REPLICAS } from '../../cluster/placement.ts';
import { integer, size } from '../../config/setting.ts';
import { describeSize } from '../../config/units.ts';
import { clusterSettings, memberSettings, type SettingsTable } from '../../config.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { addSettings, isFlagGiven, readSettings } from '../options.ts';
import { print } from '../output.ts';
import { describeRate } from '../progress.ts';
import { defaultQuorumSettings } from '../quorum-settings.ts';
import type { FillRequest, FillSummary } from './run.ts';
import { type FillTarget, localTarget, topologyTarget } from './target.ts';

interface FillSettings {
  readonly sizeBytes: number;
  readonly valueBytes: number;
  readonly seed: number;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;
const MAX_SEED = 2 ** 32 - 1;

const fillSettings: SettingsTable<FillSettings> = {
  sizeBytes: size('size', GIB, 1, 64 * TIB, 'keys and values that each node is to hold'),
  // A larger value could not be read before `serve` is given a larger --max-value-size.
  valueBytes: size('value-size', 1024, 1, MIB, 'size of each value'),
  seed: integer('seed', 1, 0, MAX_SEED, 'other seeds make other values'),
};

const MANUAL = `
Builds what a cluster would hold after a long time of writes, in seconds: tables
of sorted keys, straight in the folders of nodes that do not run. \`serve\` with
the same flags then starts the cluster with the data in it.

The keys are key1 to keyN, with as many as it takes for each node to hold --size
bytes of keys and values. A key is on the first --from nodes of its preference
list, where a request with the same \`from\` looks for it; left out, on as many as the
topology says, or else on all.
With a smaller --from there are more keys, because each is on fewer nodes. Half
of each value is random bytes and half repeats a word. The same flags always make
the same data.

Without --topology it is the cluster on this machine that \`serve --nodes N --data
DIR\` starts. With --topology it is the cluster of that file: with --node the one
node's folder is built, to be done on each machine with the same flags; without,
those of all its nodes, side by side below --data.

Folders must be empty or missing: one that holds data, or is in use, is refused
before anything is touched. A fill that is interrupted leaves folders that \`serve\`
refuses as unfinished; running fill again starts over.

Progress goes to stderr: a bar on a terminal, otherwise a line every few seconds.
The summary goes to stdout.

Environment: every flag can be given as a variable, --value-size as
QUORATE_VALUE_SIZE and so on, --from as QUORATE_DEFAULT_FROM; a flag counts first.

Examples:
  ${PROGRAM} fill
  ${PROGRAM} fill --size 256MiB --nodes 5 --from 3 --data /var/lib/quorate
  ${PROGRAM} fill --value-size 100 --seed 7
  ${PROGRAM} fill --topology cluster.json --node berlin-1 --from 3

${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.output])}`;

export function fillCommand(): Command {
  const command = new Command('fill').description(
    'Builds test data straight into the folders of a stopped cluster.',
  );
  addSettings(command.optionsGroup('The data:'), fillSettings);
  addSettings(command, defaultQuorumSettings, ['from']);
  addSettings(command.optionsGroup('A cluster on this machine:'), clusterSettings, [
    'nodes',
    'dataDirectory',
  ]);
  addSettings(command.optionsGroup('A real cluster:'), memberSettings);
  return command.addHelpText('after', MANUAL).action(async () => {
    const request = readRequest(command);
    // The engine, which is most of what there is to load, is not needed to refuse a flag or print the manual.
    const { runFill } = await import('./run.ts');
    await print(summaryOf(await runFill(request), request));
  });
}

function readRequest(command: Command): FillRequest {
  const data = readSettings(command, fillSettings, process.env);
  const { from } = readSettings(command, defaultQuorumSettings, process.env, ['from']);
  const target = readTarget(command);
  const nodes = target.nodes.length;
  const largest = Math.min(nodes, MAX_REPLICAS);
  if (from !== undefined && from > largest) {
    throw new CommandError(
      ExitCode.error,
      `--from ${from} is too many: in a cluster of ${nodes} a key has at most ${largest} replicas`,
    );
  }
  return { ...data, target, from: from ?? target.from ?? largest };
}

function readTarget(command: Command): FillTarget {
  const { nodes, dataDirectory } = readSettings(command, clusterSettings, process.env, [
    'nodes',
    'dataDirectory',
  ]);
  const { topologyFile, nodeId } = readSettings(command, memberSettings, process.env);
  if (topologyFile === undefined) {
    if (nodeId === undefined) return localTarget(nodes, dataDirectory);
    throw new CommandError(ExitCode.error, '--node belongs to --topology, the file that lists the node');
  }
  if (isFlagGiven(command, clusterSettings.nodes)) {
    throw new CommandError(ExitCode.error, '--nodes has no meaning with --topology, whose file says it');
  }
  return topologyTarget(topologyFile, nodeId, dataDirectory);
}

function summaryOf(
  { keys, liveBytes, diskBytes, elapsedMs }: FillSummary,
  { target, from }: FillRequest,
): string {
  const folders = target.folders.length;
  const seconds = elapsedMs / 1_000;
  const perNode = folders === 1 ? '' : `, ${describeSize(liveBytes / folders)} a node`;
  return `keys     ${keys}, key1 to key${keys}, each on ${from} of ${target.nodes.length} nodes
live     ${liveBytes} bytes (${describeSize(liveBytes)}${perNode})
on disk  ${diskBytes} bytes (${describeSize(diskBytes)}, ${Math.round((diskBytes / liveBytes) * 100)} %)
time     ${seconds.toFixed(2)} s
rate     ${describeRate(liveBytes / seconds)}`;
}
