/**
 * The cluster at one time: its nodes, their zones, and which of them hold a key. A view never changes; when the cluster
 * does, the node replaces its view by one with a higher epoch. A request uses one view from its start to its end, so
 * what it has begun stays true for it. Pure.
 *
 * Inside a view a node is an index: its position in `nodes` and in the preference lists. The next view may give it
 * another index, so an index means nothing without its view. Everything that outlives a request (connections, and what
 * is sent, logged, shown or stored) names nodes by id.
 */
import { Placement } from './placement.ts';
import type { Topology, TopologyNode } from './topology-schema.ts';

/** Views of one topology share its lists: where many nodes are in one process, each list is made once. */
const PLACEMENTS = new WeakMap<Topology, Placement>();

export class ClusterView {
  /** Later views have a higher epoch. */
  readonly epoch: number;
  readonly nodes: readonly TopologyNode[];
  readonly placement: Placement;
  /** How many replicas a key has whose request does not say. */
  readonly defaultFrom: number;
  readonly #indexes: ReadonlyMap<string, number>;

  constructor(topology: Topology, epoch: number) {
    this.epoch = epoch;
    this.nodes = Object.freeze(topology.nodes.map((node) => Object.freeze({ ...node })));
    this.placement = placementOf(topology);
    this.defaultFrom = topology.from ?? this.placement.maxFrom;
    this.#indexes = new Map(this.nodes.map(({ id }, index) => [id, index]));
    Object.freeze(this);
  }

  /** The node's index in this view; -1 when it is not in it. */
  indexOf(nodeId: string): number {
    return this.#indexes.get(nodeId) ?? -1;
  }
}

function placementOf(topology: Topology): Placement {
  let placement = PLACEMENTS.get(topology);
  if (placement === undefined) {
    placement = new Placement(topology.nodes, topology.placement);
    PLACEMENTS.set(topology, placement);
  }
  return placement;
}
