/** What `GET /v0/status` says of a node: plain data, put together from its parts. */
import manifest from '../../package.json' with { type: 'json' };
import { formatAddress } from '../address.ts';
import type { Admission } from '../admission/admission.ts';
import type { Condition, Conditions } from '../conditions.ts';
import type { Coordinator } from '../coordinator/coordinator.ts';
import type { SettlementCounters } from '../coordinator/settlement-counters.ts';
import type { OwnTime } from '../own-time.ts';
import type { PeerHttp } from '../peer-http/peer-http.ts';
import type { AntiEntropy } from '../replica/anti-entropy/anti-entropy.ts';
import type { Bootstrap } from '../replica/bootstrap/bootstrap.ts';
import type { FolderWholeness } from '../replica/folder-wholeness.ts';
import type { IdentityStore } from '../replica/identity-store.ts';
import type { Replica } from '../replica/replica.ts';
import type { StorageEngine } from '../replica/storage-engine.ts';
import type { RpcMesh } from '../rpc/mesh.ts';
import type { Multicast } from '../rpc/multicast/multicast.ts';
import type { PeerStatus } from '../rpc/peer.ts';
import type { CurrentView } from './current-view.ts';
import type { LoopDelayMonitor } from './loop-delay.ts';
import type { Repair } from './repair.ts';

export type NodeState =
  | 'serving'
  /** It serves, but something is wrong: `conditions` says what, and since when. */
  | 'degraded'
  /** New, and not heard from enough peers yet to know that its folder was not emptied. */
  | 'joining'
  /** Something is missing from its folder, and `conditions` says why: it takes writes and counts for no read. */
  | 'incomplete'
  /** A sync failed or its writer thread died: it takes no writes until it is started again. */
  | 'failed'
  | 'draining';

interface StatusSources {
  readonly cluster: CurrentView;
  readonly store: IdentityStore;
  readonly wholeness: FolderWholeness;
  readonly engine: StorageEngine;
  readonly replica: Replica;
  readonly antiEntropy: AntiEntropy;
  readonly bootstrap: Bootstrap;
  readonly timestamps: { readonly time: OwnTime };
  readonly mesh: RpcMesh;
  readonly peerHttp: PeerHttp | null;
  readonly multicast: Multicast | null;
  readonly coordinator: Coordinator;
  readonly settlements: SettlementCounters;
  readonly repair: Repair;
  readonly conditions: Conditions;
  readonly admission: Admission;
}

export function nodeState(sources: StatusSources, isDraining: boolean): NodeState {
  if (isDraining) return 'draining';
  if (sources.replica.isPoisoned || sources.engine.stats().state === 'poisoned') return 'failed';
  if (sources.wholeness.whole === 'incomplete') return 'incomplete';
  if (sources.wholeness.whole === 'unproven') return 'joining';
  return conditionsOf(sources).length > 0 ? 'degraded' : 'serving';
}

/** The node's own and those of its engine. */
function conditionsOf({ conditions, engine }: StatusSources): readonly Condition[] {
  const own = conditions.list();
  const codes = new Set(own.map(({ code }) => code));
  // Where both have it, as when the disk is full, it is said once.
  return [...own, ...(engine.stats().conditions ?? []).filter(({ code }) => !codes.has(code))];
}

export function nodeStatus(
  sources: StatusSources,
  loopDelay: LoopDelayMonitor,
  isDraining: boolean,
  uptimeMs: number,
): Record<string, unknown> {
  const { clusterId, incarnation, nodeId } = sources.store.current;
  return {
    node: {
      id: nodeId,
      state: nodeState(sources, isDraining),
      version: manifest.version,
      cluster: clusterId,
      incarnation,
      uptimeSeconds: Math.floor(uptimeMs / 1000),
      conditions: conditionsOf(sources),
    },
    engine: sources.engine.stats(),
    replica: sources.replica.figures(),
    antiEntropy: sources.antiEntropy.figures(),
    requests: { unsettled: sources.coordinator.unsettled, ...sources.settlements.figures() },
    readRepair: sources.repair.readRepair.figures(),
    hints: sources.repair.hints.figures(),
    conflicts: sources.settlements.conflicts(),
    hedging: sources.coordinator.hedging,
    bootstrap: sources.bootstrap.figures(),
    clock: sources.timestamps.time.figures(),
    admission: sources.admission.figures,
    peers: peersOf(sources),
    multicast: sources.multicast?.figures ?? null,
    epoch: sources.cluster.view.epoch,
    nodes: sources.cluster.view.nodes.map(({ id, http, zone }) => ({ id, http: formatAddress(http), zone })),
    eventLoopDelay: loopDelay.summary(),
    memory: memory(),
  };
}

/** What is under way to a peer over HTTP counts as what is under way over RPC. */
function peersOf({ mesh, peerHttp }: StatusSources): readonly PeerStatus[] {
  const peers = mesh.peers();
  if (peerHttp === null) return peers;
  return peers.map((peer) => {
    const { inFlight, queuedBytes } = peerHttp.client.figuresOf(peer.id);
    return { ...peer, inFlight: peer.inFlight + inFlight, queuedBytes: peer.queuedBytes + queuedBytes };
  });
}

function memory(): Record<string, number> {
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    externalBytes: external,
    arrayBuffersBytes: arrayBuffers,
  };
}
