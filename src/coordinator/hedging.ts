import type { Clock, TimerHandle } from '../clock.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import { FailureCode } from '../failure.ts';
import type { BreakerState } from './circuit-breaker.ts';
import { HedgeBudget } from './hedge-budget.ts';
import { HedgeQueue } from './hedge-queue.ts';
import { type HedgeDelays, ReplicaHealth, TICK_MS } from './replica-health.ts';
import { ReplicaRanking } from './replica-ranking.ts';

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
  /** Further replicas that were asked because those asked first were late, and how many made a read complete. */
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
  overBudget = 0;
  replaced = 0;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #delays: HedgeDelays;
  /** By node id: they outlive the views. */
  #healths: ReadonlyMap<string, ReplicaHealth> = new Map();
  #ranking: ReplicaRanking | null = null;
  #tick: TimerHandle | null = null;
  #isClosed = false;

  constructor({ nodeId, delays, budget }: HedgingOptions, clock: Clock) {
    this.queue = new HedgeQueue(clock, delays.maxMs);
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
    if (this.#tick === null && !this.#isClosed) this.#tick = this.#clock.after(TICK_MS, this.#onTick);
  }

  /**
   * A replica has answered.
   * @param failure why the answer does not count; none: it does
   */
  hear(health: ReplicaHealth, latencyMs: number, nowMs: number, failure: number): void {
    const hasTurned =
      failure === FailureCode.none
        ? health.succeed(latencyMs, nowMs)
        : health.fail(latencyMs, nowMs, failure === FailureCode.timedOut);
    if (hasTurned && !health.breaker.isClosed) this.queue.hurry();
  }

  figures(): HedgingFigures {
    const nowMs = this.#clock.monotonicMs();
    const healths = [...this.#healths.values()];
    const sum = (of: (health: ReplicaHealth) => number): number =>
      healths.reduce((total, health) => total + of(health), 0);
    return {
      sent: sum(({ hedges }) => hedges),
      won: sum(({ hedgesWon }) => hedgesWon),
      overBudget: this.overBudget,
      replaced: this.replaced,
      replicas: healths.map((health) => ({
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

  readonly #onTick = (): void => {
    this.#tick = null;
    const nowMs = this.#clock.monotonicMs();
    let isBusy = false;
    let hasOpened = false;
    this.#ranking?.judgeSlowness();
    for (const health of this.#healths.values()) {
      if (health.tick(nowMs)) hasOpened = true;
      if (health.inFlight > 0) isBusy = true;
    }
    if (hasOpened) this.queue.hurry();
    if (isBusy) this.watch();
  };
}
