/**
 * Real clusters for tests. Every node is a `serve --topology … --node …` of its own, so that each can be killed,
 * frozen, emptied and started again by itself. The system chooses the ports.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, formatAddress } from '../../src/address.ts';
import { HttpClient } from './http.ts';
import { freePortRow } from './ports.ts';
import { program } from './process-paths.ts';
import { ProxyNetwork } from './proxy-network.ts';
import { until } from './until.ts';

const SECRET_FILE = 'cluster.secret';
const START_TIMEOUT_MS = 60_000;

export class TestNode {
  readonly id: string;
  readonly port: number;
  readonly dataDirectory: string;
  readonly #args: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  /** The pid of the node itself, not of its supervisor. */
  pid = 0;
  output = '';

  constructor(
    id: string,
    port: number,
    dataDirectory: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ) {
    this.id = id;
    this.port = port;
    this.dataDirectory = dataDirectory;
    this.#args = args;
    this.#environment = { ...process.env, ...environment };
  }

  async start(): Promise<void> {
    this.output = '';
    this.pid = 0;
    const child = spawn(process.execPath, [program, ...this.#args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment,
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    let gone = false;
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        gone = true;
        resolve([code, signal]);
      });
    });
    await until(
      () => gone || this.output.includes('Ctrl-C stops.'),
      START_TIMEOUT_MS,
      () => `${this.id} did not start: ${this.output}`,
    );
    if (gone) throw new Error(`${this.id} ended instead of serving: ${this.output}`);
    this.pid = Number(/ pid (\d+)/.exec(this.output)?.[1]);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.pid === 0) throw new Error(`${this.id} has not been started`);
    process.kill(this.pid, signal);
  }

  /** Ends the process as a power cut would: no handler runs. */
  async kill(): Promise<void> {
    if (this.#process === undefined) return;
    // One that has not come so far as to say its own pid is ended by way of its supervisor: 0 would be this process.
    if (this.pid === 0) this.#process.kill('SIGTERM');
    else this.signal('SIGKILL');
    await this.#exited;
    this.#process = undefined;
  }

  /** Stops it as Ctrl-C does. */
  async stop(): Promise<void> {
    if (this.#process === undefined) return;
    this.#process.kill('SIGTERM');
    await this.#exited;
    this.#process = undefined;
  }

  empty(): void {
    rmSync(this.dataDirectory, { recursive: true, force: true });
  }
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly args?: readonly string[];
  /**
   * What a node's process has in its environment besides that of the test.
   * @param directory of the cluster, for files of the test
   */
  readonly environment?: (nodeId: string, directory: string) => NodeJS.ProcessEnv;
  /** Called before the nodes are started, to put data into their folders. */
  readonly prepare?: (topologyFile: string, dataDirectory: string) => Promise<void>;
  /** Nodes reach each other through proxies: `network`. */
  readonly isProxied?: boolean;
}

export class TestCluster implements AsyncDisposable {
  readonly nodes: readonly TestNode[];
  readonly client = new HttpClient();
  readonly directory: string;
  readonly #network: ProxyNetwork | undefined;

  private constructor(directory: string, nodes: readonly TestNode[], network: ProxyNetwork | undefined) {
    this.directory = directory;
    this.nodes = nodes;
    this.#network = network;
  }

  static async start(options: ClusterOptions): Promise<TestCluster> {
    const { nodes, args = [], environment = () => ({}), isProxied = false, prepare } = options;
    const directory = mkdtempSync(join(tmpdir(), 'quorate-e2e-'));
    const ports = await freePortRow(nodes * 2);
    const ids = Array.from({ length: nodes }, (_, i) => `node-${i + 1}`);
    const own = ids.map((_, i) => ({ host: '127.0.0.1', port: ports[nodes + i] }));
    const network = isProxied ? await ProxyNetwork.among(own) : undefined;
    const writeTopology = (name: string, rpc: readonly Address[]): string => {
      const topology = {
        cluster: 'e2e',
        placement: 'any',
        secretFile: SECRET_FILE,
        nodes: ids.map((id, i) => ({ id, http: `127.0.0.1:${ports[i]}`, rpc: formatAddress(rpc[i]) })),
      };
      const file = join(directory, name);
      writeFileSync(file, JSON.stringify(topology));
      return file;
    };
    const file = writeTopology('topology.json', own);
    writeFileSync(join(directory, SECRET_FILE), 'what the nodes of this cluster know', { mode: 0o600 });
    const data = join(directory, 'data');
    const cluster = new TestCluster(
      directory,
      ids.map((id, i) => {
        // Nodes whose files differ in nothing but addresses have the same topology.
        const ofNode = network && writeTopology(`topology-of-${id}.json`, network.addressesFor(i));
        const serve = ['serve', '--topology', ofNode ?? file, '--node', id, '--data', data, ...args];
        return new TestNode(id, ports[i], join(data, id), serve, environment(id, directory));
      }),
      network,
    );
    try {
      await prepare?.(file, data);
      await cluster.startAll();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** What is between its nodes when it was started as proxied. */
  get network(): ProxyNetwork {
    if (this.#network === undefined) throw new Error('the nodes of this cluster reach each other directly');
    return this.#network;
  }

  /** Each node reads it when it starts. */
  get secretFile(): string {
    return join(this.directory, SECRET_FILE);
  }

  /** The ports on which the nodes talk to each other. */
  get rpcPorts(): number[] {
    const { nodes } = JSON.parse(readFileSync(join(this.directory, 'topology.json'), 'utf8'));
    return nodes.map(({ rpc }: { rpc: string }) => Number(rpc.split(':')[1]));
  }

  get ports(): number[] {
    return this.nodes.map(({ port }) => port);
  }

  async startAll(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
    await this.connected();
  }

  /** Resolves when every running node sees `peers` others (all, if left out) as up, and answers reads. */
  async connected(peers = this.nodes.length - 1): Promise<void> {
    for (const { port, id } of this.nodes) {
      let seen = '';
      await until(
        async () => {
          seen = (await this.client.send(port, 'GET', '/v0/status')).body.toString();
          const status = JSON.parse(seen);
          const up = status.peers.filter((peer: { state: string }) => peer.state === 'up').length;
          return up >= peers && status.node.state === 'serving';
        },
        30_000,
        () => `${id} does not see ${peers} peers: ${seen}`,
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await Promise.all(this.nodes.map((node) => node.kill().catch(() => undefined)));
    await this.#network?.[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The files mapped into a process: Linux only. */
export function mappedFiles(pid: number): string[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return [...new Set(lines.map((line) => line.slice(73).trim()).filter((name) => name.startsWith('/')))];
}
