/** A cluster of processes on this machine. Its nodes can be started, stopped and killed one by one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../src/cli/serve/child-process.ts';
import type { NodeConfig, NodeMessage, SupervisorMessage } from '../../src/cli/serve/node-protocol.ts';
import { planLocalCluster } from '../../src/cli/serve/plan.ts';
import { defaultNodeSettings, type NodeSettings } from '../../src/config.ts';
import { HttpClient } from '../../test/support/http.ts';
import { freePortRow } from '../../test/support/ports.ts';
import { until } from '../../test/support/until.ts';
import { cpuSeconds } from './processes.ts';
import { untilSettled } from './settled.ts';

/**
 * As the launcher does it: without a compile cache each thread of a node compiles, and keeps the compiler's memory for
 * good.
 */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/quorate', import.meta.url));
const ENTRY = fileURLToPath(new URL('./node-entry.ts', import.meta.url));
/** Long enough to fill a Map with 1 GiB at the start. */
const START_TIMEOUT_MS = 120_000;
const SETTLE_TIMEOUT_MS = 600_000;

export interface BenchClusterOptions {
  readonly nodes: number;
  /** As `serve --data` takes it. */
  readonly directory: string;
  /** Arguments of node-entry.ts. */
  readonly engine: readonly string[];
  readonly settings?: Partial<NodeSettings>;
  readonly execArgv?: readonly string[];
}

/** The part of `GET /v0/status` that the benchmarks read. */
export interface Status {
  readonly node: { readonly state: string };
  readonly peers: readonly { readonly state: string }[];
  readonly engine: {
    readonly estimatedKeys: number;
    readonly liveBytes: number;
    readonly diskBytes: number;
    readonly tablesByLevel: readonly number[];
    readonly bytesByLevel: readonly number[];
    readonly memtables: number;
    readonly cacheHits: number;
    readonly cacheMisses: number;
    readonly tableReadsByThread: Readonly<Record<string, number>>;
    readonly flushes?: number;
    readonly compactions?: number;
    readonly bytesFlushed?: number;
    readonly bytesCompacted?: number;
    readonly compactionDebtBytes?: number;
  };
  /** null: writes go to each node by itself. */
  readonly multicast: {
    readonly isOpen: boolean;
    readonly sent: {
      readonly datagrams: number;
      readonly peers: readonly { readonly sent: number; readonly resent: number }[];
    };
  } | null;
  readonly eventLoopDelay: {
    readonly p50Ms: number;
    readonly p99Ms: number;
    readonly p999Ms: number;
    readonly maxMs: number;
  };
}

/** @param engine arguments of node-entry.ts */
export function nodeCommand(engine: readonly string[], execArgv: readonly string[] = []): readonly string[] {
  return [...NODE_FLAGS, ...execArgv, ENTRY, ...engine];
}

export class BenchNode {
  readonly config: NodeConfig;
  readonly port: number;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  /** @param command the arguments for Node */
  constructor(config: NodeConfig, port: number, command: readonly string[]) {
    this.config = config;
    this.port = port;
    this.#command = command;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, this.#command, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { NODE_COMPILE_CACHE: COMPILE_CACHE, ...NODE_ENVIRONMENT, ...process.env },
      // Ctrl-C is for the benchmark, which then ends its nodes.
      detached: true,
    });
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.on('message', (message: NodeMessage) => {
      if (message.type === 'ready') resolve();
      if (message.type === 'failed') reject(new Error(message.message));
    });
    child.once('close', (code, signal) =>
      reject(new Error(`a node ended: ${signal ?? `exit code ${code}`}`)),
    );
    child.send({ type: 'start', config: this.config } satisfies SupervisorMessage);
    await promise;
  }

  /** Stops it as Ctrl-C does. */
  async stop(): Promise<void> {
    if (this.#child?.connected === true) this.#child.send({ type: 'drain' } satisfies SupervisorMessage);
    await this.#ended;
    this.#child = undefined;
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
    this.#child = undefined;
  }
}

export class BenchCluster implements AsyncDisposable {
  readonly nodes: readonly BenchNode[];
  readonly directory: string;
  readonly #client = new HttpClient();

  private constructor(directory: string, nodes: readonly BenchNode[]) {
    this.directory = directory;
    this.nodes = nodes;
  }

  static async start(options: BenchClusterOptions): Promise<BenchCluster> {
    const { nodes: count, directory, engine, execArgv = [] } = options;
    const [port] = await freePortRow(count);
    const settings = { ...defaultNodeSettings(), logLevel: 'error' as const, ...options.settings };
    const local = { nodes: count, host: '127.0.0.1', port, dataDirectory: directory, restart: false };
    const planned = await planLocalCluster(local, settings).configure();
    // Like a topology file, so that `serve --topology` can start a node of it again.
    const configs = planned.map((config) => ({
      ...config,
      topology: { ...config.topology, cluster: config.clusterId },
    }));
    const command = nodeCommand(engine, execArgv);
    const nodes = configs.map((config, i) => new BenchNode(config, port + i, command));
    const cluster = new BenchCluster(directory, nodes);
    try {
      await Promise.all(nodes.map((node) => node.start()));
      await cluster.connected();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The port of the first node, which gets all requests. */
  get port(): number {
    return this.nodes[0].port;
  }

  /** The CPU time of all nodes and their threads. */
  cpuSeconds(): number {
    return this.nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  }

  async statuses(): Promise<Status[]> {
    const statuses = await Promise.all(this.nodes.map(({ port }) => this.#client.status(port)));
    return statuses as unknown as Status[];
  }

  /** Resolves when every node serves and sees every other. */
  async connected(): Promise<void> {
    let seen: Status[] = [];
    await until(
      async () => {
        seen = await this.statuses();
        return seen.every(
          ({ node, peers }) =>
            node.state === 'serving' &&
            peers.filter(({ state }) => state === 'up').length >= this.nodes.length - 1,
        );
      },
      START_TIMEOUT_MS,
      () => `the nodes do not see each other: ${JSON.stringify(seen)}`,
    );
  }

  /** Resolves when no node has a flush or a compaction to do. */
  settled(): Promise<void> {
    return untilSettled(() => this.statuses(), SETTLE_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}
