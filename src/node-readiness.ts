/**
 * When a node that starts takes clients: once it knows whether its data is whole and reaches its peers. The nodes
 * of a cluster that start together have not met for some moments, and a client must not be sent into those; a
 * peer that stays away delays it by little.
 */
import type { Clock, TimerHandle } from './clock.ts';

/** With a majority at hand, the others are waited for no longer than this. */
const STRAGGLER_PATIENCE_MS = 300;
const PATIENCE_MS = 1_000;

export interface ReadinessSources {
  /** Whether it is known that this node's data is whole, or that it is not. */
  readonly standing: { readonly isSettled: boolean };
  /** In the order of the topology; never true for this node itself. */
  readonly mesh: { isUp(node: number): boolean };
  /** Nodes in the cluster, this one included. */
  readonly clusterSize: number;
}

export class Readiness {
  readonly #sources: ReadinessSources;
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #reached = Promise.withResolvers<void>();
  readonly #timers: readonly TimerHandle[];

  constructor(sources: ReadinessSources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
    const check = (): void => this.check();
    this.#timers = [clock.after(STRAGGLER_PATIENCE_MS, check), clock.after(PATIENCE_MS, check)];
    this.check();
  }

  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** To be called when something may have changed: after a handshake. */
  check(): void {
    if (!this.#isReady()) return;
    for (const timer of this.#timers) timer.cancel();
    this.#reached.resolve();
  }

  #isReady(): boolean {
    const { clusterSize, mesh, standing } = this.#sources;
    const waitedMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (waitedMs >= PATIENCE_MS) return true;
    if (!standing.isSettled) return false;
    let reachable = 1;
    for (let node = 0; node < clusterSize; node++) if (mesh.isUp(node)) reachable++;
    if (reachable === clusterSize) return true;
    return waitedMs >= STRAGGLER_PATIENCE_MS && reachable > clusterSize / 2;
  }
}
