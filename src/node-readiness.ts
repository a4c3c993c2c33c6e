/**
 * When a node that starts may say that it serves: once it knows whether its data is whole and reaches its peers.
 * A peer that stays away delays that by little: there are always some moments in which the nodes of a cluster
 * that start together have not met yet, and a client must not be sent to them.
 */
import type { Clock, TimerHandle } from './clock.ts';

/** With a majority at hand, the others are waited for no longer than this. */
const STRAGGLER_PATIENCE_MS = 300;
const PATIENCE_MS = 1_000;

export interface ReadinessSources {
  /** Whether the standing of this node's data is known. */
  isSettled(): boolean;
  /** Peers that can be asked now. */
  peersUp(): number;
  readonly peers: number;
}

export class Readiness {
  readonly #sources: ReadinessSources;
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #ready = Promise.withResolvers<void>();
  readonly #timers: TimerHandle[];

  constructor(sources: ReadinessSources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
    this.#timers = [STRAGGLER_PATIENCE_MS, PATIENCE_MS].map((delayMs) => clock.after(delayMs, () => this.check()));
    this.check();
  }

  get reached(): Promise<void> {
    return this.#ready.promise;
  }

  /** To be called when something may have changed: a handshake. */
  check(): void {
    if (!this.#isReady()) return;
    for (const timer of this.#timers) timer.cancel();
    this.#ready.resolve();
  }

  #isReady(): boolean {
    const { peers } = this.#sources;
    const waitedMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (waitedMs >= PATIENCE_MS) return true;
    if (!this.#sources.isSettled()) return false;
    const peersUp = this.#sources.peersUp();
    if (peersUp === peers) return true;
    const majority = Math.floor((peers + 1) / 2) + 1;
    return peersUp + 1 >= majority && waitedMs >= STRAGGLER_PATIENCE_MS;
  }
}
