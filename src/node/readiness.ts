/**
 * When a node that starts takes clients: once it knows whether its data is whole and what time it is, and it and its
 * peers have reached each other. The nodes of a cluster that start together have not met for some moments, and a client
 * must not be sent into those. A peer that stays away delays it by little.
 */
import type { Clock, TimerHandle } from '../clock.ts';
import type { TimestampWaiter } from '../hybrid-clock.ts';

/** With a majority at hand, the others are waited for no longer than this. */
const STRAGGLER_PATIENCE_MS = 300;
const PATIENCE_MS = 1_000;

interface ReadinessSources {
  /** Whether it is known that this node's data is whole, or that it is not. */
  readonly wholeness: { readonly isKnown: boolean };
  /** Whether writes would get a timestamp at once. */
  readonly timestamps: {
    readonly isReady: boolean;
    readonly refusal: string | undefined;
    wait(waiter: TimestampWaiter): void;
    stopWaiting(waiter: TimestampWaiter): void;
  };
  /** Ids of the other nodes. */
  readonly peerIds: readonly string[];
  /** Whether a peer can ask this node, and this node the peer. */
  isLinked(peerId: string): boolean;
}

export class Readiness implements TimestampWaiter {
  readonly #sources: ReadinessSources;
  readonly #reached = Promise.withResolvers<void>();
  readonly #timers: readonly TimerHandle[];
  #waitsForStragglers = true;
  #isOutOfPatience = false;
  #isReached = false;
  /** There are no timestamps for now, for example because the disk is full. */
  #hasNone = false;

  constructor(sources: ReadinessSources, clock: Clock) {
    this.#sources = sources;
    this.#timers = [
      clock.after(STRAGGLER_PATIENCE_MS, () => {
        this.#waitsForStragglers = false;
        this.check();
      }),
      clock.after(PATIENCE_MS, () => {
        this.#isOutOfPatience = true;
        this.check();
      }),
    ];
    this.check();
  }

  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** Call it when something may have changed: after a handshake. */
  check(): void {
    if (this.#isReached || !this.#isReady()) return;
    this.#isReached = true;
    for (const timer of this.#timers) timer.cancel();
    this.#sources.timestamps.stopWaiting(this);
    this.#reached.resolve();
  }

  onTimestamps(error: Error | null): void {
    this.#hasNone = error !== null;
    this.check();
  }

  #isReady(): boolean {
    if (this.#isOutOfPatience) return true;
    const { peerIds, wholeness } = this.#sources;
    if (!wholeness.isKnown || !this.#hasTimestamps()) return false;
    const linked = peerIds.filter((peerId) => this.#sources.isLinked(peerId)).length;
    if (linked === peerIds.length) return true;
    return !this.#waitsForStragglers && linked + 1 > (peerIds.length + 1) / 2;
  }

  /** A node that refuses writes, for its clock or its disk, has nothing to wait for. */
  #hasTimestamps(): boolean {
    const { timestamps } = this.#sources;
    if (this.#hasNone || timestamps.isReady || timestamps.refusal !== undefined) return true;
    timestamps.wait(this);
    return false;
  }
}
