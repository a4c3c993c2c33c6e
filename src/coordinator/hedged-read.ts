import { FailureCode } from '../failure.ts';
import type { OutcomeSink } from '../outcome.ts';
import type { ReplicaReply } from '../reply.ts';
import type { Hedgeable } from './hedge-queue.ts';
import type { Hedging } from './hedging.ts';
import type { OperationContext } from './operation.ts';
import { ReadOperation } from './read-operation.ts';
import type { ReplicaSet } from './replica-access.ts';
import type { ReplicaHealth } from './replica-health.ts';
import type { ReplicaRanking } from './replica-ranking.ts';

/** When a read is late and the budget is used up, it tries again. */
const BUDGET_RETRY_MS = 10;

/**
 * A GET that asks only as many replicas as have to answer, the best ones. It asks a further one at once for each that
 * fails or does not count, and one for each that is late: when the time has passed in which 99 of 100 recent answers of
 * the replicas asked first came. A hedge is one more replica and nothing else: the accumulator counts it as any other,
 * and what is late is still waited for. While a replica of the key is not to be relied upon, all are asked at once.
 */
export class HedgedRead extends ReadOperation implements Hedgeable {
  hedgeDueMs = 0;
  readonly #hedging: Hedging;
  readonly #ranking: ReplicaRanking;
  /** How many are to count or to be waited for; those that are asked and may still count, or do. */
  #wanted: number;
  #hopeful = 0;
  #asked = 0;
  #isAsking = false;
  #isHedging = false;
  #isOverBudget = false;
  /** Of those that were not asked at first: when they were, since the request began, by position. */
  #askedAfterMs: number[] | null = null;
  /** One bit a position. */
  #hedged = 0;

  constructor(
    hedging: Hedging,
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    super(context, replicas, key, ack, from, listOffset, reply, waitedMs);
    this.#hedging = hedging;
    this.#ranking = hedging.rankingOf(replicas.view);
    this.#wanted = this.#ranking.hasBroken(listOffset, from) ? from : ack;
    hedging.budget.earn();
  }

  /** Asks until so many may count as are wanted. One that fails inside the call that asks it is replaced by the loop. */
  protected override send(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const isFirst = this.#asked === 0;
    let delayMs = 0;
    while (!this.isAnswered && this.#hopeful < this.#wanted && this.#asked < this.from) {
      const position = this.#ranking.best(this.listOffset, this.from, this.accumulator);
      delayMs = Math.max(delayMs, this.#ask(position, isFirst));
    }
    this.#isAsking = false;
    this.#hedging.watch();
    if (this.isAnswered || delayMs === 0 || this.#asked === this.from) return;
    this.#hedging.queue.add(this, isFirst ? this.beganMs : this.context.clock.monotonicMs(), delayMs);
  }

  override onReply(position: number, reply: ReplicaReply): void {
    const { accumulator } = this;
    if (accumulator.hasAnswered(position)) return;
    const health = this.#healthOf(position);
    health.inFlight--;
    const { successes } = accumulator;
    super.onReply(position, reply);
    const latencyMs = accumulator.answeredAfterMs(position) - (this.#askedAfterMs?.[position] ?? 0);
    const failure = accumulator.failureOf(position);
    const isGood = failure === FailureCode.none;
    this.#hedging.hear(health, latencyMs, this.beganMs + accumulator.answeredAfterMs(position), failure);
    if (!isGood) this.#hopeful--;
    if (accumulator.successes > successes && (this.#hedged & (1 << position)) !== 0) health.hedgesWon++;
    if (!isGood && !this.isAnswered) this.carryOn();
  }

  /** It is late: it has waited as long as nearly all answers take. */
  onHedgeDue(): void {
    if (this.#asked === this.from) return;
    const granted = this.#grant();
    if (granted === 0) {
      if (!this.#isOverBudget) this.#hedging.overBudget++;
      this.#isOverBudget = true;
      this.#hedging.queue.add(this, this.context.clock.monotonicMs(), BUDGET_RETRY_MS);
      return;
    }
    this.#wanted = this.#hopeful + granted;
    this.#isHedging = true;
    this.carryOn();
    this.#isHedging = false;
  }

  /**
   * How many more replicas may be asked: all where one is not to be relied upon, otherwise as many as answers are
   * missing. The budget is not asked when half of the time has passed that it had when it began: an answer counts for
   * more then. What it had waited for its turn does not count, or all would be hedged where there is too much to do.
   */
  #grant(): number {
    const others = this.from - this.#asked;
    if (this.#ranking.hasBroken(this.listOffset, this.from)) return others;
    const missing = Math.min(this.ack - this.accumulator.successes, others);
    if (this.remainingMs < this.timeoutMs / 2) return missing;
    let granted = 0;
    while (granted < missing && this.#hedging.budget.spend()) granted++;
    return granted;
  }

  /** @returns when it is late */
  #ask(position: number, isFirst: boolean): number {
    const { accumulator } = this;
    const health = this.#healthOf(position);
    accumulator.ask(position);
    this.#asked++;
    this.#hopeful++;
    health.ask();
    const delayMs = health.hedgeDelayMs;
    if (!isFirst) this.#noteLater(position, health);
    if (!this.#isHedging && this.#asked > this.#wanted) this.#hedging.replaced++;
    const node = this.replicas.view.placement.lists[this.listOffset + position];
    try {
      this.replicas.read(node, this.key, isFirst ? this.timeoutMs : this.remainingMs, this, position);
    } catch (error) {
      // It will not be heard of.
      if (!accumulator.hasAnswered(position)) health.inFlight--;
      throw error;
    }
    return delayMs;
  }

  #noteLater(position: number, health: ReplicaHealth): void {
    this.#askedAfterMs ??= new Array<number>(this.from).fill(0);
    this.#askedAfterMs[position] = this.context.clock.monotonicMs() - this.beganMs;
    if (this.#isHedging) {
      this.#hedged |= 1 << position;
      health.hedges++;
    }
  }

  #healthOf(position: number): ReplicaHealth {
    return this.#ranking.healths[this.replicas.view.placement.lists[this.listOffset + position]];
  }
}
