/** Nodes that talk RPC over a network in memory and a fake clock. */
import { type Random, seededRandom } from '../../src/clock.ts';
import type { Hello } from '../../src/rpc/handshake.ts';
import type { RpcLimits } from '../../src/rpc/limits.ts';
import { RpcMesh } from '../../src/rpc/mesh.ts';
import { Multicast } from '../../src/rpc/multicast/multicast.ts';
import { FEATURES, Feature } from '../../src/rpc/operation-table.ts';
import type { PeerRoutes } from '../../src/rpc/peer-routes.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { FakeClock } from '../../src/simulation/fake-clock.ts';
import { MemoryNetwork } from '../../src/simulation/memory-network.ts';
import { MemoryDatagrams } from './memory-datagrams.ts';
import { credentialsOf } from './rpc-handshake.ts';
import { helloOf, KeptLog, MapReplica, TestPolicy } from './rpc-nodes.ts';

export const RPC_PORT = 7_000;
export const REQUEST_TIMEOUT_MS = 1_000;

export class RpcNode {
  readonly nodeId: string;
  readonly policy: TestPolicy;
  readonly log = new KeptLog();
  readonly replica = new MapReplica();
  readonly server: RpcServer;
  readonly mesh: RpcMesh;
  readonly multicast: Multicast | null;
  /** To the nodes by their index in `nodeIds`. */
  readonly routes: PeerRoutes;

  constructor(
    nodeIds: readonly string[],
    nodeId: string,
    network: MemoryNetwork,
    datagrams: MemoryDatagrams | null,
    options: RpcClusterOptions,
  ) {
    this.nodeId = nodeId;
    const transport = network.transport(nodeId);
    const limits = options.limits ?? {};
    const { clock, random } = network;
    const credentials = {
      ...credentialsOf(options.secret?.(nodeId)),
      // Sessions of equal nonces would have the same name in datagrams.
      ...(datagrams === null ? {} : { drawBytes: (count: number) => drawnBytes(count, random) }),
    };
    this.multicast =
      datagrams === null
        ? null
        : new Multicast({
            clusterId: 'cluster-1',
            self: { nodeId, host: options.ownHost?.(nodeId) ?? nodeId, port: RPC_PORT },
            secret: credentials.secret,
            transport: datagrams.transport(nodeId),
            clock,
            random,
            log: this.log,
            onUnusable: (sentence) => this.log.error(sentence),
          });
    const features = this.multicast === null ? FEATURES : FEATURES | Feature.multicast;
    const hello = helloOf(nodeId, { features, ...options.hello?.(nodeId) });
    this.policy = new TestPolicy(hello, nodeIds);
    const shared = {
      policy: this.policy,
      credentials,
      transport,
      clock,
      log: this.log,
      limits,
    };
    const { multicast } = this;
    this.server = new RpcServer({
      ...shared,
      handler: this.replica,
      multicast: multicast?.receiver ?? null,
    });
    this.mesh = new RpcMesh({ ...shared, random, requestTimeoutMs: REQUEST_TIMEOUT_MS, multicast });
    const peers = nodeIds.map((id) => (id === nodeId ? null : { nodeId: id, host: id, port: RPC_PORT }));
    this.routes = this.mesh.setPeers(peers);
  }

  async start(): Promise<void> {
    await this.multicast?.open();
    await this.server.listen(this.nodeId, RPC_PORT);
    this.mesh.start();
  }
}

export interface RpcClusterOptions {
  readonly limits?: Partial<RpcLimits>;
  readonly secret?: (nodeId: string) => string;
  readonly hello?: (nodeId: string) => Partial<Hello>;
  /** How a node writes its own address, other than its peers do. */
  readonly ownHost?: (nodeId: string) => string;
  readonly seed?: number;
  /** Writes go by multicast, over datagrams in memory. */
  readonly isMulticast?: boolean;
}

export class RpcCluster {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork;
  /** Null: writes go over the connections. */
  readonly datagrams: MemoryDatagrams | null;
  readonly nodes: RpcNode[];
  readonly #nodeIds: readonly string[];
  readonly #options: RpcClusterOptions;

  private constructor(nodeIds: readonly string[], options: RpcClusterOptions) {
    this.#nodeIds = nodeIds;
    this.#options = options;
    const random = seededRandom(options.seed ?? 1);
    this.network = new MemoryNetwork(this.clock, random);
    this.datagrams = options.isMulticast === true ? new MemoryDatagrams(this.clock, random) : null;
    this.nodes = nodeIds.map((nodeId) => this.#create(nodeId));
  }

  /** Starts the nodes and lets 100 ms pass on their clock, after which they are connected. */
  static async start(nodeIds: readonly string[], options: RpcClusterOptions = {}): Promise<RpcCluster> {
    const cluster = new RpcCluster(nodeIds, options);
    for (const node of cluster.nodes) await node.start();
    cluster.clock.advance(100);
    return cluster;
  }

  /** The process of a node ends at once, and another one begins with what its replica has stored. */
  async restart(index: number): Promise<void> {
    const { nodeId, replica, server, mesh, multicast } = this.nodes[index];
    mesh.abort();
    server.abort();
    multicast?.close();
    const next = this.#create(nodeId);
    for (const [key, record] of replica.records) next.replica.records.set(key, record);
    this.nodes[index] = next;
    await next.start();
  }

  #create(nodeId: string): RpcNode {
    return new RpcNode(this.#nodeIds, nodeId, this.network, this.datagrams, this.#options);
  }
}

function drawnBytes(count: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)));
}
