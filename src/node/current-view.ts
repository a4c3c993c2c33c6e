/**
 * The cluster's current view, and the way to its replicas. It is replaced as a whole: whatever begins after that finds
 * the new one, and a request that began before goes on with the view that it has taken.
 */
import type { ClusterView } from '../cluster/cluster-view.ts';
import type { CurrentReplicas, ReplicaSet } from '../coordinator/replica-access.ts';
import { type LocalReplica, NodeReplicaSet, type RemoteReplicas } from '../coordinator/replica-set.ts';
import { SlotOwners } from '../replica/slot-owners.ts';
import type { RpcMesh } from '../rpc/mesh.ts';
import type { PeerRoutes } from '../rpc/peer-routes.ts';

/** From the peers of a view to the way on which their replicas are asked. */
export type WayToReplicas = (routes: PeerRoutes) => RemoteReplicas;

const overRpc: WayToReplicas = (routes) => routes;

export class CurrentView implements CurrentReplicas {
  current: ReplicaSet;
  /** Those of the current view. */
  slotOwners: SlotOwners;
  readonly #nodeId: string;
  readonly #local: LocalReplica;
  readonly #mesh: RpcMesh;
  readonly #wayTo: WayToReplicas;

  /** @param nodeId of this node */
  constructor(
    view: ClusterView,
    nodeId: string,
    local: LocalReplica,
    mesh: RpcMesh,
    wayTo: WayToReplicas = overRpc,
  ) {
    this.#nodeId = nodeId;
    this.#local = local;
    this.#mesh = mesh;
    this.#wayTo = wayTo;
    this.current = this.#replicasOf(view);
    this.slotOwners = slotOwnersOf(view);
  }

  get view(): ClusterView {
    return this.current.view;
  }

  /** Ids of the other nodes. */
  get peerIds(): readonly string[] {
    return this.view.nodes.flatMap(({ id }) => (id === this.#nodeId ? [] : [id]));
  }

  has(nodeId: string): boolean {
    return this.view.indexOf(nodeId) >= 0;
  }

  /** A view that is not newer than the current one changes nothing: it may come late, or more than once. */
  replace(view: ClusterView): void {
    if (view.epoch <= this.view.epoch) return;
    this.current = this.#replicasOf(view);
    this.slotOwners = slotOwnersOf(view);
  }

  #replicasOf(view: ClusterView): ReplicaSet {
    const peers = view.nodes.map(({ id, rpc }) => (id === this.#nodeId ? null : { nodeId: id, ...rpc }));
    const remote = this.#wayTo(this.#mesh.setPeers(peers));
    return new NodeReplicaSet(view, this.#nodeId, this.#local, remote);
  }
}

export function slotOwnersOf({ nodes, placement }: ClusterView): SlotOwners {
  return new SlotOwners(
    nodes.map(({ id }) => id),
    placement,
  );
}
