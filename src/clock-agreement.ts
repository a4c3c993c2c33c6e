/**
 * How this node's wall clock stands against those of its peers. Pure.
 *
 * Clocks are compared as offsets: what a wall clock shows, less this node's monotonic time. Both sides of a difference
 * then move at the same pace, so that a peer's clock that was asked a moment ago can be held against this node's as it
 * is now; and a jump of one's own clock changes one's own offset alone.
 */
export interface PeerClock {
  /** Its wall clock. */
  readonly wallOffsetMs: number;
  /** Its own time; -Infinity: it knows none yet. */
  readonly ownOffsetMs: number;
  /** The time up to which it takes timestamps, without the drift allowed: at least its own time. */
  readonly acceptOffsetMs: number;
  /** How wrong these may be: half of the way there and back. */
  readonly uncertaintyMs: number;
  /** Of this node's monotonic time. */
  readonly takenAtMs: number;
}

export interface Agreement {
  /** Peers whose clock is within the drift allowed. */
  readonly agreeing: number;
  /** Peers whose clock is not. */
  readonly differing: number;
  /** Between these this node's offset may lie without falling out with one that agrees. */
  readonly lowOffsetMs: number;
  readonly highOffsetMs: number;
  /** How far this node is ahead of those that differ: the smallest difference; negative when it is behind. */
  readonly aheadMs: number;
}

/** Slack where nobody is there to compare with. */
const MIN_SLACK_MS = 50;

export function slackMs(maxDriftMs: number): number {
  return Math.max(maxDriftMs, MIN_SLACK_MS);
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

/** The largest offset that `count` of these reach; -Infinity when there are not so many. */
export function reachedBy(offsets: readonly number[], count: number): number {
  if (count < 1 || offsets.length < count) return Number.NEGATIVE_INFINITY;
  return offsets.toSorted((a, b) => b - a)[count - 1];
}
