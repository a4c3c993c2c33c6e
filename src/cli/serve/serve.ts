import * as modules from 'node:module';
import path from 'node:path';
import { Command } from 'commander';
import { formatAddress } from '../../address.ts';
import { systemClock, systemRandom } from '../../clock.ts';
import {
  type ClusterSettings,
  clusterSettings,
  memberSettings,
  nodeSettings,
  secretSettings,
} from '../../config.ts';
import { hostFromHere } from '../../host.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { holdProcess } from '../hold-process.ts';
import { Messages } from '../messages.ts';
import { addSettings, isFlagGiven, readSettings } from '../options.ts';
import { defaultQuorumSettings } from '../quorum-settings.ts';
import { StopSignals } from '../stop-signals.ts';
import { nodeSpawner } from './child-process.ts';
import { planLocalCluster, planMember, type ServePlan } from './plan.ts';
import { type SupervisedNode, Supervisor } from './supervisor.ts';

/** All nodes must be gone 5 s after the first signal: this leaves time to kill those that hang. */
const DRAIN_PATIENCE_MS = 4_500;

const MANUAL = `
Without --topology it is a whole cluster on this machine, a process a node. Node
i has the i-th HTTP port from --port on; the ports for the traffic between nodes
are chosen by the system and printed. The data folder is made at the first start
and remembers how many nodes it was made for.

With --topology and --node it is one node of a real cluster. The file lists the
nodes with id, HTTP and RPC address, zone and weight, and names the placement;
every node is given the same file, also its "from": how many replicas a key has
when a request does not say (without it, one on each node). The node's data is in the folder of its id
below --data.

Nodes prove to each other that they know the cluster's secret, 32 characters or
more in a file that nobody else can read. Without --topology it is made at the
first start, as cluster.secret in the data folder; a topology names it as
"secretFile", or --cluster-secret-file does. Without a secret a node's RPC
listens on loopback addresses alone.

A node that dies is reported and stays down; with --restart it comes back.

--replication says how a node asks the replicas of a key for its clients:
  hedged      writes all at once; reads ask as many replicas as must answer, the
              best ones, and others when one of these fails or is late. When a read
              is late, and how many others it may ask, is set by --hedge-min-delay,
              --hedge-max-delay and --hedge-budget
  parallel    all at once
  sequential  one after the other: for comparison
Nodes of one cluster may differ in it. --peer-protocol must be the same for all: a
node with another one is refused. --fan-out multicast does not go with
--peer-protocol http.

--allow-profiling lets programs on this machine profile the nodes, see \`profile\`.

Ctrl-C (SIGINT, SIGTERM, SIGHUP) drains: new requests get 503, those in flight
end, and when that is done on every node logs are synced, and all is gone within
5 s. A second one ends at once; nothing acknowledged is lost by that either.

Each node's log goes to stderr, a JSON line a message. Lines that cannot be
written, or are not read, are counted and said in a later one: no node waits for
its log.

Sizes are written as 64KiB, 1MiB, 1.5GiB or a number of bytes, durations as
500ms, 1s, 2m.

Environment: every flag can be given as a variable, --max-value-size as
QUORATE_MAX_VALUE_SIZE and so on, --from as QUORATE_DEFAULT_FROM; a flag counts first.

Examples:
  ${PROGRAM} serve
  ${PROGRAM} serve --nodes 5 --from 3        # each key on 3 of the 5 nodes
  ${PROGRAM} serve --nodes 5 --port 8080 --data /var/lib/quorate --restart
  ${PROGRAM} serve --durability interval --sync-interval 50ms
  ${PROGRAM} serve --topology cluster.json --node berlin-1

${exitCodesManual([ExitCode.ok, ExitCode.error])}`;

export function serveCommand(): Command {
  const command = new Command('serve').description(
    'Starts a cluster on this machine, or one node of a real cluster, and stays until Ctrl-C.',
  );
  addSettings(command.optionsGroup('A cluster on this machine:'), clusterSettings);
  addSettings(command, defaultQuorumSettings, ['from']);
  addSettings(command.optionsGroup('One node of a real cluster:'), memberSettings);
  addSettings(command.optionsGroup('Every node:'), secretSettings);
  addSettings(command, nodeSettings);
  return command.addHelpText('after', MANUAL).action(() => {
    const cluster = readSettings(command, clusterSettings, process.env);
    return serve(planOf(command, cluster), cluster.restart);
  });
}

function planOf(command: Command, cluster: ClusterSettings): ServePlan {
  const { topologyFile, nodeId } = readSettings(command, memberSettings, process.env);
  const settings = readSettings(command, nodeSettings, process.env);
  const { secretFile } = readSettings(command, secretSettings, process.env);
  if ((topologyFile === undefined) !== (nodeId === undefined)) {
    throw new CommandError(
      ExitCode.error,
      '--topology and --node belong together: the file, and which node of it to be',
    );
  }
  if (topologyFile === undefined || nodeId === undefined) {
    const { from } = readSettings(command, defaultQuorumSettings, process.env, ['from']);
    return planLocalCluster(cluster, settings, secretFile, from);
  }
  const { host, nodes, port } = clusterSettings;
  for (const setting of [nodes, defaultQuorumSettings.from, port, host]) {
    if (isFlagGiven(command, setting)) {
      throw new CommandError(
        ExitCode.error,
        `--${setting.flag} has no meaning with --topology, whose file says it`,
      );
    }
  }
  return planMember(topologyFile, nodeId, cluster.dataDirectory, settings, secretFile);
}

/** Resolves after a drain, or when no node is left. */
async function serve(plan: ServePlan, restart: boolean): Promise<void> {
  // While a node waits to be started again, nothing else keeps this process alive.
  using _alive = holdProcess();
  using _plan = plan;
  await using messages = new Messages(systemClock);
  const supervisor = new Supervisor(plan.nodeIds, {
    spawn: nodeSpawner(),
    restart,
    clock: systemClock,
    random: systemRandom,
    report: (line) => messages.report(line),
  });
  let drained: Promise<string[]> | undefined;
  using _signals = new StopSignals(systemClock, (count) => {
    if (count > 1) {
      supervisor.kill();
      return;
    }
    messages.print('Draining: requests in flight end and logs are synced. Ctrl-C again ends at once.');
    drained = supervisor.drain(DRAIN_PATIENCE_MS);
  });
  try {
    messages.print(
      describeCluster(await supervisor.start(await plan.configure((line) => messages.report(line)))),
    );
    // Store the compiled code now, so that the next start finds it even if this process is killed.
    modules.flushCompileCache?.();
  } catch (error) {
    if (drained === undefined) {
      await supervisor.drain(DRAIN_PATIENCE_MS);
      throw error;
    }
  }
  await supervisor.allGone;
  if (drained === undefined) {
    throw new CommandError(ExitCode.error, 'no node is left: see above why, or start with --restart');
  }
  const unclean = await drained;
  if (unclean.length > 0) {
    throw new CommandError(ExitCode.error, `killed, or ended with an error: ${unclean.join(', ')}`);
  }
  messages.print('All is synced and closed.');
}

function describeCluster(nodes: readonly SupervisedNode[]): string {
  const widest = Math.max(...nodes.map(({ nodeId, httpUrl }) => nodeId.length + httpUrl.length));
  const lines = nodes.map(({ nodeId, httpUrl, rpcAddress, dataDirectory, pid }) => {
    const gap = ' '.repeat(widest - nodeId.length - httpUrl.length);
    return `${nodeId}  ${httpUrl}${gap}  rpc ${rpcAddress}  data ${displayPath(dataDirectory)}  pid ${pid}`;
  });
  const entity = (index: number): string =>
    `'${urlFromHere(nodes[index % nodes.length].httpUrl)}/v0/entity?id=greeting'`;
  return `${lines.join('\n')}

${nodes.length === 1 ? 'The node serves' : `All ${nodes.length} nodes serve`}. Try:
  curl -i -X PUT -d 'hello' ${entity(0)}
  curl -i ${entity(1)}
  curl -i -X DELETE ${entity(2)}
Ctrl-C stops.`;
}

function urlFromHere(httpUrl: string): string {
  const { hostname, port } = new URL(httpUrl);
  return `http://${formatAddress({ host: hostFromHere(hostname.replace(/^\[|\]$/g, '')), port: Number(port || 80) })}`;
}

function displayPath(directory: string): string {
  const relative = path.relative('.', directory);
  return relative.startsWith('..') ? directory : `.${path.sep}${relative}`;
}
