/**
 * A cluster of three zones on this machine, three nodes each, that reach each other through proxies: between zones
 * everything is late, and a zone can be lost. A zone is its index, and so is a node; node n is in zone n % 3.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NodeConfig } from '../../src/cli/serve/node-protocol.ts';
import { PLACEMENT_POLICIES, Placement, type PlacementPolicy } from '../../src/cluster/placement.ts';
import { slotOf } from '../../src/cluster/slots.ts';
import type { Topology } from '../../src/cluster/topology.ts';
import { defaultNodeSettings } from '../../src/config.ts';
import { HttpClient } from '../../test/support/http.ts';
import { freePortRow } from '../../test/support/ports.ts';
import { ProxyNetwork } from '../../test/support/proxy-network.ts';
import { until } from '../../test/support/until.ts';
import { BenchNode, nodeCommand, type Status } from '../support/bench-cluster.ts';

export const ZONES = 3;
const NODES_A_ZONE = 3;
export const NODES = ZONES * NODES_A_ZONE;
const HOST = '127.0.0.1';
const START_TIMEOUT_MS = 60_000;
const LOSS_TIMEOUT_MS = 10_000;

export const POLICIES = PLACEMENT_POLICIES.filter((policy) => policy !== 'any');

export class ZoneCluster implements AsyncDisposable {
  readonly nodes: readonly BenchNode[];
  readonly #network: ProxyNetwork;
  readonly #placement: Placement;
  readonly #client = new HttpClient();

  private constructor(nodes: readonly BenchNode[], network: ProxyNetwork, placement: Placement) {
    this.nodes = nodes;
    this.#network = network;
    this.#placement = placement;
  }

  /** @param delayMs one way, between zones; the cluster starts without it */
  static async start(placement: PlacementPolicy, directory: string, delayMs: number): Promise<ZoneCluster> {
    const ports = await freePortRow(2 * NODES);
    const secretFile = join(directory, 'cluster.secret');
    mkdirSync(directory, { recursive: true });
    writeFileSync(secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    const rpc = ports.slice(NODES).map((port) => ({ host: HOST, port }));
    const network = await ProxyNetwork.among(rpc);
    const topologyOf = (node: number): Topology => ({
      cluster: 'zones',
      placement,
      nodes: network.addressesFor(node).map((address, i) => ({
        id: `node-${i + 1}`,
        http: { host: HOST, port: ports[i] },
        rpc: address,
        zone: `zone-${zoneOf(i) + 1}`,
        weight: 1,
      })),
    });
    const nodes = rpc.map((_, i) => {
      const nodeId = `node-${i + 1}`;
      const config: NodeConfig = {
        nodeId,
        clusterId: 'zones',
        topology: topologyOf(i),
        secretFile,
        dataDirectory: join(directory, nodeId),
        settings: { ...defaultNodeSettings(), logLevel: 'silent', readers: 1 },
      };
      return new BenchNode(config, ports[i], nodeCommand(['lsm']));
    });
    const cluster = new ZoneCluster(nodes, network, new Placement(topologyOf(0).nodes, placement));
    try {
      await Promise.all(nodes.map((node) => node.start()));
      await cluster.#until((status) => upPeers(status) === NODES - 1 && status.node.state === 'serving');
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    cluster.#delay(delayMs);
    return cluster;
  }

  /** Of the nodes in these zones. */
  portsOf(zones: readonly number[]): number[] {
    return this.nodes.filter((_, node) => zones.includes(zoneOf(node))).map(({ port }) => port);
  }

  /** The share of the keys `key1` to `keyN` that have so many replicas or more in these zones. */
  shareOfKeysWith(replicas: number, zones: readonly number[], from: number, keys: number): number {
    let count = 0;
    for (let key = 1; key <= keys; key++) {
      const at = this.#placement.listOffset(slotOf(Buffer.from(`key${key}`)));
      const nodes = this.#placement.lists.subarray(at, at + from);
      if (nodes.filter((node) => zones.includes(zoneOf(node))).length >= replicas) count++;
    }
    return count / keys;
  }

  /** Nothing comes from the zone or reaches it any more, and nothing says so. */
  lose(zone: number): void {
    for (let node = 0; node < NODES; node++)
      if (zoneOf(node) === zone) for (const link of this.#network.around(node)) link.freeze();
  }

  /** Resolves when the other zones have noticed. */
  async lossNoticed(zone: number): Promise<void> {
    const others = this.nodes.filter((_, node) => zoneOf(node) !== zone);
    await this.#until((status) => upPeers(status) === others.length - 1, others, LOSS_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    // A node that is lost could not end what it has in work.
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#network[Symbol.asyncDispose]();
  }

  #delay(delayMs: number): void {
    for (let one = 0; one < NODES; one++)
      for (let other = 0; other < one; other++)
        if (zoneOf(one) !== zoneOf(other))
          for (const link of this.#network.between(one, other)) link.delayMs = delayMs;
  }

  async #until(
    holds: (status: Status) => boolean,
    nodes = this.nodes,
    timeoutMs = START_TIMEOUT_MS,
  ): Promise<void> {
    await until(
      async () => {
        const statuses = await Promise.all(nodes.map(({ port }) => this.#client.status(port)));
        return (statuses as unknown as Status[]).every(holds);
      },
      timeoutMs,
      () => 'the nodes do not agree on who is up',
    );
  }
}

function zoneOf(node: number): number {
  return node % ZONES;
}

function upPeers({ peers }: Status): number {
  return peers.filter(({ state }) => state === 'up').length;
}
