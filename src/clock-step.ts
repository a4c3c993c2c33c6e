/**
 * A step of own time to where the wall clocks of most nodes are, as own-time.ts explains it: it is accepted first, and
 * taken when most of the nodes accept it or one has taken it. Pure.
 */
import { isMost, NO_OFFSET, type PeerClock, slackMs } from './clock-agreement.ts';

/** How long most wall clocks must agree on a step forward. */
const STEP_HOLD_MS = 4_000;
/** How long a node goes on accepting a step that it announced: longer than a peer may rely on it. */
const STEP_LINGER_MS = 10_000;

export class ClockStep {
  readonly #clusterSize: number;
  readonly #maxDriftMs: number;
  /** The end of a step that is accepted but not taken yet. */
  #acceptOffsetMs = NO_OFFSET;
  #acceptUntilMs = 0;
  /** When the wall clocks of most nodes were first seen ahead, and by how much; -1: they are not. */
  #sinceMs = -1;
  #seenOffsetMs = 0;

  constructor(clusterSize: number, maxDriftMs: number) {
    this.#clusterSize = clusterSize;
    this.#maxDriftMs = maxDriftMs;
  }

  /** Up to where timestamps are accepted; -Infinity: no step is. */
  get acceptOffsetMs(): number {
    return this.#acceptOffsetMs;
  }

  /** Whether it leads there. */
  leadsTo(offsetMs: number): boolean {
    return Math.abs(offsetMs - this.#acceptOffsetMs) <= slackMs(this.#maxDriftMs);
  }

  /** The wall clocks are not ahead, or not believed. What is accepted already stays so. */
  notSeen(): void {
    this.#sinceMs = -1;
  }

  /**
   * The wall clocks of most nodes, this one's among them, are ahead of own time.
   * @returns whether the step is to be taken: most of the nodes accept it
   */
  seen(atMs: number, wallOffsetMs: number, peers: readonly PeerClock[]): boolean {
    if (this.#sinceMs < 0 || Math.abs(wallOffsetMs - this.#seenOffsetMs) > slackMs(this.#maxDriftMs)) {
      this.#sinceMs = atMs;
      this.#seenOffsetMs = wallOffsetMs;
    }
    const accepts = peers.filter(
      ({ acceptOffsetMs, ownOffsetMs }) =>
        ownOffsetMs >= wallOffsetMs - this.#maxDriftMs ||
        Math.abs(acceptOffsetMs - wallOffsetMs) <= this.#maxDriftMs,
    ).length;
    const isAccepted = isMost(1 + accepts, this.#clusterSize);
    const areWaiting = accepts > 0 && isAccepted;
    if (atMs - this.#sinceMs < STEP_HOLD_MS && !areWaiting) return false;
    this.#acceptOffsetMs = wallOffsetMs;
    this.#acceptUntilMs = atMs + STEP_LINGER_MS;
    return isAccepted;
  }

  /**
   * Gives up a step that nobody takes.
   * @returns whether a peer has taken it
   */
  isTakenBy(peers: readonly PeerClock[], atMs: number): boolean {
    if (this.#acceptOffsetMs === NO_OFFSET) return false;
    if (peers.some(({ ownOffsetMs }) => this.leadsTo(ownOffsetMs))) return true;
    if (atMs > this.#acceptUntilMs) this.#acceptOffsetMs = NO_OFFSET;
    return false;
  }

  /** Own time has moved. */
  end(): void {
    this.#acceptOffsetMs = NO_OFFSET;
    this.#sinceMs = -1;
  }
}
