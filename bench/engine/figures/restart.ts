/**
 * How long a node is away: from starting its process to its answer to a read of a key that was acknowledged just before
 * it ended. The key is written and read with ack=1&from=1, and chosen so that this node is its only replica. It is read
 * through the node itself, so no other node is asked. Nodes run as `serve --topology`, supervisor included, as a user
 * would start them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Placement } from '../../../src/cluster/placement.ts';
import { slotOf } from '../../../src/cluster/slots.ts';
import { parseTopology } from '../../../src/cluster/topology.ts';
import { TestNode } from '../../../test/support/cluster.ts';
import { HttpClient } from '../../../test/support/http.ts';
import { freePortRow } from '../../../test/support/ports.ts';
import { wrk } from '../../support/wrk.ts';
import { type BenchContext, NODES, type RunSettings } from '../context.ts';
import { digits, type Figure, type Finding, median } from '../figure.ts';

const POLL_MS = 2;
const ALONE = { ack: 1, from: 1 } as const;
const PATIENCE_MS = 60_000;
/** The duration of the load that goes on during the restart. */
const LOADED_SECONDS = 10;
/** The node is killed this long before the load would have ended. */
const BEFORE_END_MS = 500;

/** The filled cluster, each node a `serve` of its own. */
class ServedCluster implements AsyncDisposable {
  readonly nodes: readonly TestNode[];
  readonly client = new HttpClient();
  readonly settings: RunSettings;
  /** A key whose only replica is the last node. */
  readonly key: string;

  private constructor(nodes: readonly TestNode[], key: string, settings: RunSettings) {
    this.nodes = nodes;
    this.settings = settings;
    this.key = key;
  }

  static async start(directory: string, context: BenchContext): Promise<ServedCluster> {
    const { clusterId } = JSON.parse(readFileSync(join(directory, 'cluster.json'), 'utf8'));
    const ports = await freePortRow(NODES * 2);
    const ids = Array.from({ length: NODES }, (_, i) => `node-${i + 1}`);
    const text = JSON.stringify({
      cluster: clusterId,
      nodes: ids.map((id, i) => ({
        id,
        http: `127.0.0.1:${ports[i]}`,
        rpc: `127.0.0.1:${ports[NODES + i]}`,
      })),
    });
    const file = join(context.directory, 'topology.json');
    writeFileSync(file, text);
    const nodes = ids.map((id, i) => {
      const args = ['serve', '--topology', file, '--node', id, '--data', directory, '--log-level', 'error'];
      return new TestNode(id, ports[i], join(directory, id), args);
    });
    const cluster = context.adopt(new ServedCluster(nodes, keyOf(text, NODES - 1), context.settings));
    await Promise.all(nodes.map((node) => node.start()));
    return cluster;
  }

  get last(): TestNode {
    return this.nodes[NODES - 1];
  }

  async put(value: string): Promise<void> {
    const { status, body } = await this.client.put(this.nodes[0].port, this.key, value, ALONE);
    if (status !== 201) throw new Error(`the key was not written: ${status} ${body}`);
  }

  /** Starts the last node; returns the ms until it answers with `value`. */
  async timeStart(value: string): Promise<number> {
    const startedMs = performance.now();
    const started = this.last.start();
    started.catch(() => undefined);
    for (;;) {
      const answer = await this.client.get(this.last.port, this.key, ALONE).catch(() => undefined);
      const tookMs = performance.now() - startedMs;
      if (answer?.status === 200 && answer.body.toString() === value) {
        await started;
        return tookMs;
      }
      if (answer?.status === 404) throw new Error('an acknowledged write was lost');
      if (tookMs > PATIENCE_MS) throw new Error(`no answer after the restart: ${this.last.output}`);
      await delay(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** A key whose first replica is the node with this index. */
function keyOf(topologyText: string, node: number): string {
  const { nodes, placement } = parseTopology(topologyText, 'the benchmark');
  const table = new Placement(nodes, placement);
  for (let i = 0; ; i++) {
    const key = `restarted-${i}`;
    if (table.lists[table.listOffset(slotOf(Buffer.from(key)))] === node) return key;
  }
}

/** For each round, a time in ms. */
interface Times {
  readonly clean: number[];
  readonly killed: number[];
  readonly loaded: number[];
}

async function measureRound(
  cluster: ServedCluster,
  keys: number,
  round: number,
  times: Times,
): Promise<void> {
  const [{ port }] = cluster.nodes;
  const load = { method: 'PUT', keys, seed: round } as const;
  const { seconds } = cluster.settings;
  await wrk(port, { ...load, seconds });
  await cluster.put(`clean ${round}`);
  await cluster.last.stop();
  times.clean.push(await cluster.timeStart(`clean ${round}`));

  for (const name of ['killed', 'loaded'] as const) {
    const goesOn = name === 'loaded';
    // In one case it must be long enough to last through the restart.
    const running = wrk(port, { ...load, seconds: seconds + (goesOn ? LOADED_SECONDS : 0) });
    running.catch(() => undefined);
    await delay(seconds * 1000 - BEFORE_END_MS);
    await cluster.put(`${name} ${round}`);
    await cluster.last.kill();
    if (!goesOn) await running;
    times[name].push(await cluster.timeStart(`${name} ${round}`));
    await running;
  }
}

function findingOf(what: string, times: readonly number[], mostSeconds?: number): Finding {
  return {
    what,
    figure: median(times) / 1000,
    unit: 's',
    ...(mostSeconds === undefined ? {} : { bound: { most: mostSeconds } }),
    detail: `${times.map(digits).join(', ')} ms`,
  };
}

export const restart: Figure = {
  name: 'restart',
  title: 'restart of a node until a key acknowledged just before is read from it alone',
  needs: ['wrk'],
  async run(context): Promise<Finding[]> {
    const { progress, settings } = context;
    const { keys } = await context.data();
    await context.stopClusters();
    await using cluster = await ServedCluster.start(context.filledDirectory, context);
    const times: Times = { clean: [], killed: [], loaded: [] };
    try {
      for (let round = 1; round <= settings.rounds; round++) {
        await measureRound(cluster, keys, round, times);
        const took = Object.entries(times).map(([name, each]) => `${name} ${digits(each[round - 1])} ms`);
        progress(`round ${round}: ${took.join(', ')}`);
      }
    } catch (error) {
      // If a node has ended, its output says why.
      const said = cluster.nodes.map(({ id, output }) => `${id}: ${output.trim()}`).join('\n');
      throw new Error(`${error instanceof Error ? error.message : error}\n${said}`, { cause: error });
    }
    return [
      findingOf('after a clean stop', times.clean, 1),
      findingOf('after kill -9 under load', times.killed, 3),
      findingOf('the same, the load on the others going on', times.loaded),
    ];
  },
};
