import type { Clock, TimerHandle } from '../clock.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import { FailureCode } from '../failure.ts';
import type { BreakerState } from './circuit-breaker.ts';
import { HedgeBudget } from './hedge-budget.ts';
import { HedgeQueue } from './hedge-queue.ts';
import { type HedgeDelays, ReplicaHealth, TICK_MS } from './replica-health.ts';
import { ReplicaRanking } from './replica-ranking.ts';

/** A late read without a budget tries again after this at the latest. */
export const MAX_RETRY_MS = 640;
/** When a tick comes later after the last one, this process itself stood still. */
const MAX_TICK_GAP_MS = 2 * TICK_MS;

export interface HedgingOptions {
  /** Of this node. */
  readonly nodeId: string;
  readonly delays: HedgeDelays;
  /** The share of reads that may be hedged because they are late. */
  readonly budget: number;
}

/** One replica as this node sees it. */
interface ReplicaFigures {
  readonly id: string;
  readonly breaker: BreakerState;
  /** How often its breaker has opened. */
  readonly opened: number;
  /** Reads that it was asked, and those of them that it has not answered. */
  readonly asked: number;
  readonly inFlight: number;
  readonly smoothedMs: number;
  /** 0: too few answers to tell. */
  readonly p99Ms: number;
  readonly hedges: number;
  readonly hedgesWon: number;
}

export interface HedgingFigures {
  /** Further replicas that were asked because those asked first were late, and how many helped to make a read succeed. */
  readonly sent: number;
  readonly won: number;
  /** Late reads for which the budget was used up. */
  readonly overBudget: number;
  /** Further replicas that were asked because one asked first failed or did not count. */
  readonly replaced: number;
  readonly replicas: readonly ReplicaFigures[];
}

/** What all hedged reads of a node share: what it knows of each replica, when reads are late, and how many may be hedged. */
export class Hedging {
  readonly queue: HedgeQueue;
  readonly budget: HedgeBudget;
  /** Counted here as well as for each replica, because those of a replica go with it. */
  sent = 0;
  won = 0;
  overBudget = 0;
  replaced = 0;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #delays: HedgeDelays;
  /** By node id: they outlive the views. */
  #healths: ReadonlyMap<string, ReplicaHealth> = new Map();
  #ranking: ReplicaRanking | null = null;
  #tick: TimerHandle | null = null;
  #tickedMs = 0;
  /** Since then, ticks have come when they were due. */
  #steadySinceMs = 0;
  #isClosed = false;

  constructor({ nodeId, delays, budget }: HedgingOptions, clock: Clock) {
    this.queue = new HedgeQueue(clock, Math.max(delays.maxMs, MAX_RETRY_MS));
    this.budget = new HedgeBudget(budget);
    this.#clock = clock;
    this.#nodeId = nodeId;
    this.#delays = delays;
  }

  /** For a read that begins in this view. */
  rankingOf(view: ClusterView): ReplicaRanking {
    if (this.#ranking?.view === view) return this.#ranking;
    const before = this.#healths;
    const healths = view.nodes.map(({ id }) => before.get(id) ?? new ReplicaHealth(id, this.#delays));
    this.#healths = new Map(healths.map((health) => [health.nodeId, health]));
    this.#ranking = new ReplicaRanking(view, this.#nodeId, healths);
    return this.#ranking;
  }

  /** To be called when replicas were asked. */
  watch(): void {
    if (this.#tick !== null || this.#isClosed) return;
    this.#tickedMs = this.#clock.monotonicMs();
    this.#tick = this.#clock.after(TICK_MS, this.#onTick);
  }

  /**
   * A replica has answered.
   * @param failure why the answer does not count; none: it does
   */
  hear(health: ReplicaHealth, latencyMs: number, nowMs: number, failure: number): void {
    const hasTurned = this.#tell(health, latencyMs, nowMs, failure);
    if (hasTurned && !health.breaker.isClosed) this.queue.hurry(health);
  }

  figures(): HedgingFigures {
    const nowMs = this.#clock.monotonicMs();
    return {
      sent: this.sent,
      won: this.won,
      overBudget: this.overBudget,
      replaced: this.replaced,
      replicas: Array.from(this.#healths.values(), (health) => ({
        id: health.nodeId,
        breaker: health.breaker.stateAt(nowMs),
        opened: health.breaker.opened,
        asked: health.asked,
        inFlight: health.inFlight,
        smoothedMs: health.smoothedMs,
        p99Ms: health.p99Ms,
        hedges: health.hedges,
        hedgesWon: health.hedgesWon,
      })),
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#tick?.cancel();
    this.#tick = null;
    this.queue.close();
  }

  /** @returns whether the replica's breaker has opened or closed */
  #tell(health: ReplicaHealth, latencyMs: number, nowMs: number, failure: number): boolean {
    switch (failure) {
      case FailureCode.none:
        return health.succeed(latencyMs, nowMs);
      case FailureCode.inFlightFull:
      case FailureCode.queueFull:
        health.decline(false);
        return false;
      case FailureCode.overloaded:
        health.decline(true);
        return false;
      case FailureCode.timedOut:
        return this.#wasSteadySince(nowMs - latencyMs, nowMs) && health.fail(latencyMs, nowMs, true);
      default:
        return health.fail(latencyMs, nowMs, false);
    }
  }

  /** A replica that is asked before this process stands still has no time to answer, however well it is. */
  #wasSteadySince(sinceMs: number, nowMs: number): boolean {
    return nowMs - this.#tickedMs <= MAX_TICK_GAP_MS && sinceMs >= this.#steadySinceMs;
  }

  readonly #onTick = (): void => {
    this.#tick = null;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#tickedMs > MAX_TICK_GAP_MS) this.#steadySinceMs = nowMs;
    let isBusy = false;
    this.#ranking?.judgeSlowness();
    for (const health of this.#healths.values()) {
      if (health.tick(nowMs)) this.queue.hurry(health);
      if (health.inFlight > 0) isBusy = true;
    }
    if (isBusy) this.watch();
  };
}
