/** What `GET /v0/status` says of a node: plain data, put together from its parts. */
import { formatAddress } from './cluster/address.ts';
import type { Topology } from './cluster/topology.ts';
import type { LoopDelayMonitor } from './loop-delay.ts';
import type { Replica } from './replica/replica.ts';
import type { Standing } from './replica/standing.ts';
import type { StorageEngine } from './replica/storage-engine.ts';
import type { RpcMesh } from './rpc/mesh.ts';

export const QUORATE_VERSION = '0.1.0';

export type NodeState =
  | 'serving'
  /** New, and not heard from enough peers yet to know that its folder was not emptied. */
  | 'joining'
  /** Its folder was emptied: it takes writes and counts for no read. */
  | 'incomplete'
  /** A sync failed: it takes no writes until it is started again. */
  | 'failed'
  | 'draining';

export interface StatusSources {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly topology: Topology;
  readonly engine: StorageEngine;
  readonly replica: Replica;
  readonly standing: Standing;
  readonly mesh: RpcMesh;
  readonly loopDelay: LoopDelayMonitor;
  readonly startedMs: number;
}

export function nodeState(sources: StatusSources, isDraining: boolean): NodeState {
  if (isDraining) return 'draining';
  if (sources.replica.isPoisoned) return 'failed';
  if (sources.standing.whole === 'incomplete') return 'incomplete';
  return sources.standing.whole === 'unproven' ? 'joining' : 'serving';
}

export function nodeStatus(sources: StatusSources, isDraining: boolean, nowMs: number): Record<string, unknown> {
  const { topology } = sources;
  return {
    node: {
      id: sources.nodeId,
      state: nodeState(sources, isDraining),
      version: QUORATE_VERSION,
      incarnation: sources.incarnation,
      uptimeSeconds: Math.round((nowMs - sources.startedMs) / 1000),
    },
    engine: sources.engine.stats(),
    replica: sources.replica.figures(),
    peers: sources.mesh.peers(),
    nodes: topology.nodes.map(({ id, http, zone }) => ({ id, http: formatAddress(http), zone })),
    eventLoopDelay: sources.loopDelay.summary(),
    residentBytes: process.memoryUsage.rss(),
  };
}
