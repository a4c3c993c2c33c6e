/** Nodes that talk RPC over a network in memory and a fake clock. */
import { seededRandom } from '../../src/clock.ts';
import type { Hello } from '../../src/rpc/handshake.ts';
import type { RpcLimits } from '../../src/rpc/limits.ts';
import { RpcMesh } from '../../src/rpc/mesh.ts';
import type { PeerRoutes } from '../../src/rpc/peer-routes.ts';
import { RpcServer } from '../../src/rpc/server.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryNetwork } from './memory-network.ts';
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
  /** To the nodes by their index in `nodeIds`. */
  readonly routes: PeerRoutes;

  constructor(
    nodeIds: readonly string[],
    nodeId: string,
    network: MemoryNetwork,
    options: RpcClusterOptions,
  ) {
    this.nodeId = nodeId;
    this.policy = new TestPolicy(helloOf(nodeId, options.hello?.(nodeId)), nodeIds);
    const transport = network.transport(nodeId);
    const limits = options.limits ?? {};
    const credentials = credentialsOf(options.secret?.(nodeId));
    const shared = {
      policy: this.policy,
      credentials,
      transport,
      clock: network.clock,
      log: this.log,
      limits,
    };
    this.server = new RpcServer({ ...shared, handler: this.replica });
    this.mesh = new RpcMesh({ ...shared, random: network.random, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    const peers = nodeIds.map((id) => (id === nodeId ? null : { nodeId: id, host: id, port: RPC_PORT }));
    this.routes = this.mesh.setPeers(peers);
  }

  async start(): Promise<void> {
    await this.server.listen(this.nodeId, RPC_PORT);
    this.mesh.start();
  }
}

export interface RpcClusterOptions {
  readonly limits?: Partial<RpcLimits>;
  readonly secret?: (nodeId: string) => string;
  readonly hello?: (nodeId: string) => Partial<Hello>;
  readonly seed?: number;
}

export class RpcCluster {
  readonly clock = new FakeClock();
  readonly network: MemoryNetwork;
  readonly nodes: readonly RpcNode[];

  private constructor(nodeIds: readonly string[], options: RpcClusterOptions) {
    this.network = new MemoryNetwork(this.clock, seededRandom(options.seed ?? 1));
    this.nodes = nodeIds.map((nodeId) => new RpcNode(nodeIds, nodeId, this.network, options));
  }

  /** Starts the nodes and lets 100 ms pass on their clock, after which they are connected. */
  static async start(nodeIds: readonly string[], options: RpcClusterOptions = {}): Promise<RpcCluster> {
    const cluster = new RpcCluster(nodeIds, options);
    for (const node of cluster.nodes) await node.start();
    cluster.clock.advance(100);
    return cluster;
  }
}
