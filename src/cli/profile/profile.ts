import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { nodeSettings } from '../../config.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { Interrupted } from '../interrupted.ts';
import { LoadRun } from '../load/run.ts';
import { loadSettings, planOf, requestSettings } from '../load/settings.ts';
import { addSettings, readSettings } from '../options.ts';
import { print } from '../output.ts';
import { quorumSettings } from '../quorum-settings.ts';
import { OwnCluster } from './own-cluster.ts';
import { runAll } from './run.ts';
import { profileSettings } from './settings.ts';

const MANUAL = `
${exitCodesManual([ExitCode.ok, ExitCode.error, ExitCode.unreachable, ExitCode.output])}`;

export function profileCommand(): Command {
  const command = new Command('profile').description('Shows what the nodes of a cluster do under load.');
  addSettings(command.optionsGroup('The profile:'), profileSettings);
  addSettings(command.optionsGroup('The load:'), loadSettings);
  addSettings(command.optionsGroup('The requests:'), requestSettings);
  addSettings(command, quorumSettings);
  addSettings(command.optionsGroup('Every node:'), nodeSettings);
  return command.addHelpText('after', MANUAL).action(() => profile(command));
}

async function profile(command: Command): Promise<void> {
  const own = readSettings(command, profileSettings, process.env);
  const { outDirectory } = own;
  if (outDirectory === undefined)
    throw new CommandError(ExitCode.error, 'say with --out where the profile is to be written');
  const loadFlags = readSettings(command, loadSettings, process.env);
  using run = new LoadRun(process.stderr);
  await using cluster = await OwnCluster.start({
    nodes: 3,
    dataDirectory: undefined,
    settings: readSettings(command, nodeSettings, process.env),
    report: (line) => process.stderr.write(`quorate: ${line}\n`),
  });
  const [first] = cluster.nodes;
  const url = new URL(first.httpUrl);
  const plan = planOf(
    { ...loadFlags, targets: [{ host: url.hostname, port: Number(url.port) }] },
    readSettings(command, requestSettings, process.env),
    readSettings(command, quorumSettings, process.env),
  );
  const runs = await runAll(run, {
    plan,
    origins: cluster.nodes.map(({ httpUrl }) => httpUrl),
    kinds: own.kinds,
    intervals: own,
    onRun: (kind) => process.stderr.write(`quorate: ${kind ?? 'without a profile'}\n`),
  });
  for (const { kind, load, profiles } of runs) {
    for (const node of profiles) {
      await mkdir(path.join(outDirectory, node.node), { recursive: true });
      const cpu = node.cpu.userMs + node.cpu.systemMs;
      await print(
        `${kind ?? 'without'} ${node.node} ${node.elapsedMs.toFixed(0)} ms, ${load.tally.requests} requests, ${((cpu * 1000) / load.tally.requests).toFixed(1)} µs, switches ${node.voluntarySwitches} ${node.involuntarySwitches}, threads ${node.osThreads}`,
      );
      for (const thread of node.threads) {
        await print(
          `   ${thread.name} ${JSON.stringify(thread.cpu)} ${thread.allocatedBytes} ${thread.waits.map((w) => `${w.path.join('/')}: ${w.count} ${w.totalMs.toFixed(0)}ms`).join(', ')}`,
        );
        const place = path.join(outDirectory, node.node, thread.name);
        if (thread.cpuProfile !== null)
          await writeFile(`${place}.cpuprofile`, JSON.stringify(thread.cpuProfile));
        if (thread.heapProfile !== null)
          await writeFile(`${place}.heapprofile`, JSON.stringify(thread.heapProfile));
      }
    }
  }
  if (run.interruptedBy !== null) throw new Interrupted(run.interruptedBy, 'interrupted');
}
