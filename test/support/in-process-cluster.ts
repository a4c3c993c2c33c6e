/**
 * A cluster of nodes in this process: real data folders and HTTP, a network in memory between the nodes, and for each
 * engine a Map that outlives its node, as a disk would.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MapEngine, type MapRecords } from '../../bench/cluster/map-engine.ts';
import { type HttpNodeOptions, startHttpNode } from '../../src/cli/serve/http-node.ts';
import { seededRandom, systemClock } from '../../src/clock.ts';
import { fingerprintSeedOf } from '../../src/cluster/slots.ts';
import type { Topology } from '../../src/cluster/topology.ts';
import { defaultNodeSettings } from '../../src/config.ts';
import type { RunningNode } from '../../src/node/node.ts';
import { IDENTITY_FILE } from '../../src/replica/identity-file.ts';
import { MemoryNetwork } from '../../src/simulation/memory-network.ts';
import { HttpClient } from './http.ts';
import { TEST_SECRET } from './rpc-handshake.ts';
import { until } from './until.ts';

const RPC_PORT = 1;
/** A busy machine takes longer than the second that is the default. */
const REQUEST_TIMEOUT_MS = 5_000;

interface StatusPeers {
  readonly peers: readonly { readonly id: string; readonly state: string }[];
}

export interface FolderCopy {
  readonly identity: Uint8Array;
  readonly records: MapRecords;
}

export class InProcessCluster implements AsyncDisposable {
  readonly root: string;
  readonly topology: Topology;
  readonly network = new MemoryNetwork(systemClock, seededRandom(1));
  /** What the nodes logged, as `node level: message`. */
  readonly logged: string[] = [];
  readonly #stores: MapRecords[] = [];
  readonly #nodes: (RunningNode | null)[];
  /** Keeps the process alive when nothing else does: the clock's timers do not. */
  readonly #alive = setInterval(() => {}, 60_000);

  private constructor(root: string, size: number, hostOf: (index: number) => string) {
    this.root = root;
    const nodes = Array.from({ length: size }, (_, i) => ({
      id: `n${i}`,
      http: { host: '127.0.0.1', port: 0 },
      rpc: { host: hostOf(i), port: RPC_PORT },
      zone: 'here',
      weight: 1,
    }));
    this.topology = { cluster: 'test', placement: 'any', nodes };
    this.#nodes = nodes.map(() => null);
  }

  /** @param hostOf the host of a node's RPC: a real address when it is to listen there for something else too */
  static async create(
    size: number,
    hostOf = (index: number): string => `n${index}`,
  ): Promise<InProcessCluster> {
    return new InProcessCluster(await mkdtemp(join(tmpdir(), 'quorate-nodes-')), size, hostOf);
  }

  folder(index: number): string {
    return join(this.root, `n${index}`);
  }

  options(index: number): HttpNodeOptions {
    const log = (level: string) => (message: string) =>
      void this.logged.push(`n${index} ${level}: ${message}`);
    return {
      nodeId: `n${index}`,
      clusterId: 'test',
      topology: this.topology,
      clusterSecret: TEST_SECRET,
      dataDirectory: this.folder(index),
      settings: { ...defaultNodeSettings(), requestTimeoutMs: REQUEST_TIMEOUT_MS },
      log: { info: log('info'), warn: log('warn'), error: log('error') },
      transport: this.network.transport(this.topology.nodes[index].rpc.host),
      openStorage: async (_directory, _settings, _createIfMissing, watermarks) => {
        this.#stores[index] ??= new Map();
        return new MapEngine(this.#stores[index], fingerprintSeedOf('test'), watermarks);
      },
    };
  }

  async start(index: number, more: Partial<HttpNodeOptions> = {}): Promise<RunningNode> {
    const node = await startHttpNode({ ...this.options(index), ...more });
    this.#nodes[index] = node;
    return node;
  }

  async startAll(more: Partial<HttpNodeOptions> = {}): Promise<void> {
    await Promise.all(this.#nodes.map((_, index) => this.start(index, more)));
    await this.meet();
  }

  /** Waits until every running node is connected to every other: a node that starts is found a moment later. */
  async meet(): Promise<void> {
    using client = new HttpClient();
    const running = this.#nodes.flatMap((node, index) => (node === null ? [] : [index]));
    for (const index of running) {
      const others = running.filter((other) => other !== index).map((other) => `n${other}`);
      let missing = others;
      const met = async () => {
        const { peers } = (await client.status(this.port(index))) as unknown as StatusPeers;
        missing = others.filter((other) => !peers.some(({ id, state }) => id === other && state === 'up'));
        return missing.length === 0;
      };
      await until(met, 30_000, () => `n${index} is not connected to ${missing.join(', ')}`);
    }
  }

  async stop(index: number): Promise<void> {
    const node = this.#nodes[index];
    this.#nodes[index] = null;
    await node?.drain();
  }

  /** Empties its folder, as when its disk was replaced. */
  async empty(index: number): Promise<void> {
    await rm(this.folder(index), { recursive: true });
    this.#stores[index] = new Map();
  }

  /** Copies a node's folder, to be put back later. The node may run; the copy lacks what it writes meanwhile. */
  async copy(index: number): Promise<FolderCopy> {
    const identity = await readFile(join(this.folder(index), IDENTITY_FILE));
    return { identity, records: new Map(this.#stores[index]) };
  }

  /** Replaces the folder of the stopped node. */
  async putBack(index: number, copy: FolderCopy): Promise<void> {
    await writeFile(join(this.folder(index), IDENTITY_FILE), copy.identity);
    this.putBackEngine(index, copy);
  }

  /** Puts back only the engine's part, as when it is on a volume of its own. */
  putBackEngine(index: number, copy: FolderCopy): void {
    this.#stores[index] = new Map(copy.records);
  }

  /** The HTTP port of a running node. */
  port(index: number): number {
    return Number(new URL(this.#nodes[index]!.doorAddresses[0]).port);
  }

  /** Those of all nodes, which run. */
  get ports(): number[] {
    return this.#nodes.map((_, index) => this.port(index));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all(this.#nodes.map((node) => node?.[Symbol.asyncDispose]()));
    } finally {
      clearInterval(this.#alive);
      await rm(this.root, { recursive: true, force: true });
    }
  }
}
