/**
 * Compares this node's wall clock with those of its peers. Pure.
 *
 * Clocks are compared as offsets: what a wall clock shows, minus this node's monotonic time. Offsets stay the same
 * while time passes, so a peer's clock that was asked a moment ago can be compared with this node's as it is now; and
 * when this node's clock jumps, only its own offset changes.
 */
export interface PeerClock {
  /** The peer's wall clock. */
  readonly wallOffsetMs: number;
  /** The peer's own time; -Infinity: it knows none yet. */
  readonly ownOffsetMs: number;
  /** The time up to which the peer takes timestamps, without the drift allowed: at least its own time. */
  readonly acceptOffsetMs: number;
  /** The possible error of these offsets: half of the round trip. */
  readonly uncertaintyMs: number;
  /** When it was measured, by this node's monotonic time. */
  readonly takenAtMs: number;
}

export interface Agreement {
  /** Peers whose clock is within the drift allowed. */
  readonly agreeing: number;
  /** Peers whose clock is further away. */
  readonly differing: number;
  /** The range of offsets in which this node still agrees with every peer that agrees with it now. */
  readonly lowOffsetMs: number;
  readonly highOffsetMs: number;
  /** The smallest difference between this node's clock and those that differ; negative when this node is behind. */
  readonly aheadMs: number;
}

/** The offset of a time that is not known, or that there is not. */
export const NO_OFFSET = Number.NEGATIVE_INFINITY;

/** While the wall clock is behind, own time loses this share of the time that passes, until they meet. */
export const SLOWING = 1 / 16;
/** Slack for a node that has nobody to compare with. */
const MIN_SLACK_MS = 50;

export function slackMs(maxDriftMs: number): number {
  return Math.max(maxDriftMs, MIN_SLACK_MS);
}

/** A tie is not enough. */
export function isMost(nodes: number, clusterSize: number): boolean {
  return nodes > clusterSize / 2;
}

export function compareClocks(
  wallOffsetMs: number,
  peers: readonly PeerClock[],
  maxDriftMs: number,
): Agreement {
  let agreeing = 0;
  let differing = 0;
  let lowOffsetMs = Number.NEGATIVE_INFINITY;
  let highOffsetMs = Number.POSITIVE_INFINITY;
  let aheadMs = Number.POSITIVE_INFINITY;
  for (const peer of peers) {
    const differenceMs = wallOffsetMs - peer.wallOffsetMs;
    const toleranceMs = maxDriftMs + peer.uncertaintyMs;
    if (Math.abs(differenceMs) <= toleranceMs) {
      agreeing++;
      lowOffsetMs = Math.max(lowOffsetMs, peer.wallOffsetMs - toleranceMs);
      highOffsetMs = Math.min(highOffsetMs, peer.wallOffsetMs + toleranceMs);
    } else {
      differing++;
      if (Math.abs(differenceMs) < Math.abs(aheadMs)) aheadMs = differenceMs;
    }
  }
  if (agreeing === 0) {
    lowOffsetMs = wallOffsetMs - slackMs(maxDriftMs);
    highOffsetMs = wallOffsetMs + slackMs(maxDriftMs);
  }
  return { agreeing, differing, lowOffsetMs, highOffsetMs, aheadMs: differing === 0 ? 0 : aheadMs };
}

/**
 * What the peer's own time has reached for sure. What was measured may be too much by its error, and the peer may have
 * slowed down since. A node that took more than this would be ahead of the peer, which would then take it from this
 * node, and so on: late messages would carry all nodes forward, without end.
 */
export function surelyReached({ ownOffsetMs, takenAtMs, uncertaintyMs }: PeerClock, atMs: number): number {
  const slowedMs = (atMs - takenAtMs + 2 * uncertaintyMs) * SLOWING;
  return ownOffsetMs - uncertaintyMs - slowedMs;
}

/** The largest offset that at least `count` of these reach; -Infinity when there are fewer. */
export function reachedBy(offsets: readonly number[], count: number): number {
  if (count < 1 || offsets.length < count) return NO_OFFSET;
  return offsets.toSorted((a, b) => b - a)[count - 1];
}
