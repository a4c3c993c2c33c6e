/**
 * A supervisor of fake nodes in a process of its own, so that a test can kill it: `[node ids…]`. It prints their pids
 * as JSON.
 */
import { nodeSpawner } from '../../src/cli/serve/child-process.ts';
import type { NodeConfig } from '../../src/cli/serve/node-protocol.ts';
import { Supervisor } from '../../src/cli/serve/supervisor.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { defaultNodeSettings } from '../../src/config.ts';
import { fakeNodeProcess } from './process-paths.ts';

const nodeIds = process.argv.slice(2);
const supervisor = new Supervisor(nodeIds, {
  spawn: nodeSpawner(fakeNodeProcess),
  restart: false,
  clock: systemClock,
  random: systemRandom,
  report: (line) => console.error(line),
});
const configs = nodeIds.map((nodeId) => ({ nodeId, settings: defaultNodeSettings() }) as NodeConfig);
const nodes = await supervisor.start(configs);
console.log(JSON.stringify(nodes.map(({ pid }) => pid)));
