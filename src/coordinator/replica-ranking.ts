import type { ClusterView } from '../cluster/cluster-view.ts';
import type { ReplicaHealth } from './replica-health.ts';
import type { ResponseAccumulator } from './response-accumulator.ts';

const NOBODY = -1;
/** A node is slow when it takes so much longer than the fastest of the others, and longer than this. */
const SLOW_RATIO = 8;
const SLOW_MS = 50;

/** How far a node is from the one that asks: the first thing that ranks replicas. */
const Distance = { here: 0, sameZone: 1, otherZone: 2 } as const;
type Distance = (typeof Distance)[keyof typeof Distance];

/**
 * In which order the replicas of a key are asked, for the requests of one view. The best comes first: a node whose
 * breaker is closed before one whose is not, and among the latter one that does answer; this node, then those of its
 * zone, and among those equally far the one that is expected to answer first: by its smoothed latency, once for each
 * read that it has in work and once for this. So a faster node gets more reads, and not all. Pure.
 */
export class ReplicaRanking {
  readonly view: ClusterView;
  /** By the node's index in the view. */
  readonly healths: readonly ReplicaHealth[];
  readonly distances: readonly Distance[];

  /** @param nodeId of the node that asks */
  constructor(view: ClusterView, nodeId: string, healths: readonly ReplicaHealth[]) {
    this.view = view;
    this.healths = healths;
    const zone = view.nodes[view.indexOf(nodeId)]?.zone;
    this.distances = view.nodes.map((node) => {
      if (node.id === nodeId) return Distance.here;
      return node.zone === zone ? Distance.sameZone : Distance.otherZone;
    });
  }

  /**
   * Whether all of the key's replicas are to be asked at once, because some are not to be relied upon. When more than half
   * are not, it is not theirs: there is too much to do, or this node's network is broken, and to ask more replicas would
   * make that worse.
   */
  asksAll(listOffset: number, from: number): boolean {
    const { lists } = this.view.placement;
    let broken = 0;
    for (let position = 0; position < from; position++) {
      if (!this.healths[lists[listOffset + position]].breaker.isClosed) broken++;
    }
    return broken > 0 && broken * 2 <= from;
  }

  /** The position of the best replica that has not been asked; -1: all have been. */
  best(listOffset: number, from: number, accumulator: ResponseAccumulator): number {
    const { lists } = this.view.placement;
    let best = NOBODY;
    for (let position = 0; position < from; position++) {
      if (accumulator.isAsked(position)) continue;
      if (best === NOBODY || this.#isBetter(lists[listOffset + position], lists[listOffset + best]))
        best = position;
    }
    return best;
  }

  /**
   * Says of each node what is slow for it: far above the fastest of the others that are as far away or farther, and, for
   * another node, far above what is usual for it, as nodes of one distance may still be on two sides of an ocean. One that
   * is not to be relied upon, or was not measured lately, is no measure; and where there is no other, nothing is slow.
   */
  judgeSlowness(): void {
    let fastestMs = Number.POSITIVE_INFINITY;
    let secondMs = Number.POSITIVE_INFINITY;
    let fastest = NOBODY;
    for (let distance: number = Distance.otherZone; distance >= Distance.here; distance--) {
      for (const [node, { breaker, isMeasured, smoothedMs }] of this.healths.entries()) {
        if (this.distances[node] !== distance || !breaker.isClosed || !isMeasured) continue;
        if (smoothedMs < fastestMs) {
          secondMs = fastestMs;
          fastestMs = smoothedMs;
          fastest = node;
        } else secondMs = Math.min(secondMs, smoothedMs);
      }
      for (const [node, health] of this.healths.entries()) {
        if (this.distances[node] !== distance) continue;
        const usualMs = distance === Distance.here ? 0 : health.usualMs;
        const otherMs = node === fastest ? secondMs : fastestMs;
        health.slowAboveMs = Math.max(otherMs * SLOW_RATIO, usualMs * SLOW_RATIO, SLOW_MS);
      }
    }
  }

  #isBetter(node: number, other: number): boolean {
    const health = this.healths[node];
    const otherHealth = this.healths[other];
    if (health.breaker.isClosed !== otherHealth.breaker.isClosed) return health.breaker.isClosed;
    // One that is silent is as fast in memory as it was when it was well.
    if (!health.breaker.isClosed && health.isMeasured !== otherHealth.isMeasured) return health.isMeasured;
    const nearer = this.distances[other] - this.distances[node];
    if (nearer !== 0) return nearer > 0;
    return health.expectedMs < otherHealth.expectedMs;
  }
}
