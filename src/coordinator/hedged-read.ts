import { errorMessage } from '../errors.ts';
import type { QuestionCause } from '../explanation.ts';
import { FailureCode } from '../failure.ts';
import type { OutcomeSink } from '../outcome.ts';
import { failed, type ReplicaReply } from '../reply.ts';
import type { RequestOptions } from '../request-options.ts';
import type { Hedgeable } from './hedge-queue.ts';
import { type Hedging, MAX_RETRY_MS } from './hedging.ts';
import type { OperationContext } from './operation.ts';
import { ReadOperation } from './read-operation.ts';
import type { ReplicaSet } from './replica-access.ts';
import type { ReplicaHealth } from './replica-health.ts';
import type { ReplicaRanking } from './replica-ranking.ts';

/** When a read is late and the budget is used up, it tries again: each time after twice as long. */
const FIRST_RETRY_MS = 10;

/**
 * A GET that asks only as many replicas as have to answer, the best ones. It asks a further one at once for each that
 * fails or does not count, and one for each that is late: when the time has passed in which 99 of 100 recent answers of
 * the replicas asked first came. A hedge is one more replica and nothing else: the accumulator counts it as any other,
 * and what is late is still waited for. While a few replicas of the key are not to be relied upon, all are asked at once.
 */
export class HedgedRead extends ReadOperation implements Hedgeable {
  hedgeDueMs = 0;
  readonly #hedging: Hedging;
  readonly #ranking: ReplicaRanking;
  /** How many are to count or to be waited for; those that are asked and may still count, or do. */
  #wanted: number;
  #hopeful = 0;
  #asked = 0;
  /** Questions still to be asked that do not take the place of one that failed. */
  #planned: number;
  #isAsking = false;
  /** What is planned is asked because the read is late. */
  #isHedging = false;
  /** How long it waited for a budget the last time; 0: it never did. */
  #retryMs = 0;
  /** Of those that were not asked at first: when they were, since the request began, by position. */
  #askedAfterMs: number[] | null = null;
  /** One bit a position. */
  #hedged = 0;

  constructor(
    hedging: Hedging,
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    options: RequestOptions,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    super(context, replicas, key, options, ack, from, listOffset, reply, waitedMs);
    this.#hedging = hedging;
    this.#ranking = hedging.rankingOf(replicas.view);
    this.#wanted = this.#ranking.asksAll(listOffset, from) ? from : ack;
    this.#planned = this.#wanted;
    hedging.budget.earn();
  }

  /** Asks until so many may count as are wanted. One that fails inside the call that asks it is replaced by the loop. */
  protected override send(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const isFirst = this.#asked === 0;
    let delayMs = 0;
    while (!this.isDecided && this.#hopeful < this.#wanted && this.#asked < this.from) {
      const timeoutMs = isFirst ? this.timeoutMs : this.remainingMs;
      // Its time is over, and nobody has told it yet: whoever was asked now would work for nothing.
      if (!isFirst && timeoutMs === 0) break;
      const position = this.#ranking.best(this.listOffset, this.from, this.accumulator);
      delayMs = Math.max(delayMs, this.#ask(position, isFirst, timeoutMs));
    }
    this.#isAsking = false;
    this.#hedging.watch();
    if (this.isDecided || delayMs === 0 || this.#asked === this.from) return;
    const nowMs = isFirst ? this.beganMs : this.context.clock.monotonicMs();
    // One that was asked in place of another does not give more time to those that were asked before.
    const isDueBefore = !this.#isHedging && this.hedgeDueMs > 0 && this.hedgeDueMs <= nowMs + delayMs;
    if (!isDueBefore) this.#hedging.queue.add(this, nowMs, delayMs);
  }

  override onReply(position: number, reply: ReplicaReply): void {
    const { accumulator } = this;
    if (accumulator.hasAnswered(position)) return;
    const health = this.#healthOf(position);
    health.inFlight--;
    super.onReply(position, reply);
    const latencyMs = accumulator.answeredAfterMs(position) - (this.#askedAfterMs?.[position] ?? 0);
    const failure = accumulator.failureOf(position);
    const isGood = failure === FailureCode.none;
    this.#hedging.hear(health, latencyMs, this.beganMs + accumulator.answeredAfterMs(position), failure);
    if (!isGood) this.#hopeful--;
    if (!isGood && !this.isDecided) this.carryOn();
  }

  protected override succeed(): void {
    if (this.#hedged !== 0) this.#countHedgesWon();
    super.succeed();
  }

  /** It is late: it has waited as long as nearly all answers take, or for a replica that is not to be relied upon now. */
  onHedgeDue(): void {
    if (this.#asked === this.from) return;
    // One that waits for others is only late.
    const asksAll = this.#waitsForBroken() && this.#ranking.asksAll(this.listOffset, this.from);
    const granted = asksAll ? this.from - this.#asked : this.#grant();
    if (granted === 0) {
      this.#retryLater();
      return;
    }
    this.#wanted = this.#hopeful + granted;
    this.#planned = granted;
    this.#isHedging = !asksAll;
    this.carryOn();
    this.#isHedging = false;
  }

  waitsFor(health: ReplicaHealth): boolean {
    for (let position = 0; position < this.from; position++) {
      if (this.#isSilent(position) && this.#healthOf(position) === health) return true;
    }
    return false;
  }

  #waitsForBroken(): boolean {
    for (let position = 0; position < this.from; position++) {
      if (this.#isSilent(position) && !this.#healthOf(position).breaker.isClosed) return true;
    }
    return false;
  }

  #isSilent(position: number): boolean {
    return this.accumulator.isAsked(position) && !this.accumulator.hasAnswered(position);
  }

  /** How many more replicas the budget allows to ask: as many as answers are missing, or fewer. */
  #grant(): number {
    const missing = Math.min(this.ack - this.accumulator.successes, this.from - this.#asked);
    const isUrgent = this.#untilUrgentMs <= 0;
    let granted = 0;
    while (granted < missing && this.#hedging.budget.spend(isUrgent)) granted++;
    return granted;
  }

  /**
   * Until half of the time has passed that it had when it began. What it had waited for its turn does not count, or all
   * would be urgent where there is too much to do.
   */
  get #untilUrgentMs(): number {
    return this.remainingMs - this.timeoutMs / 2;
  }

  /** There may be a budget later, and when it is urgent there is more. */
  #retryLater(): void {
    if (this.#retryMs === 0) this.#hedging.overBudget++;
    this.#retryMs = Math.min(Math.max(2 * this.#retryMs, FIRST_RETRY_MS), MAX_RETRY_MS);
    const untilUrgentMs = this.#untilUrgentMs;
    const delayMs = untilUrgentMs > 0 ? Math.min(this.#retryMs, untilUrgentMs) : this.#retryMs;
    this.#hedging.queue.add(this, this.context.clock.monotonicMs(), delayMs);
  }

  /** @returns when it is late; 0: it has answered already */
  #ask(position: number, isFirst: boolean, timeoutMs: number): number {
    const { accumulator } = this;
    const health = this.#healthOf(position);
    accumulator.ask(position);
    this.#asked++;
    this.#hopeful++;
    health.ask();
    const delayMs = health.hedgeDelayMs;
    if (!isFirst) this.#noteLater(position);
    if (this.context.causes !== null) this.context.causes.onCause(this.#causeOf(isFirst));
    if (this.#planned === 0) this.#hedging.replaced++;
    else {
      this.#planned--;
      if (this.#isHedging) this.#noteHedge(position, health);
    }
    const node = this.replicas.view.placement.lists[this.listOffset + position];
    try {
      this.replicas.read(node, this.key, timeoutMs, this, position);
    } catch (error) {
      // Nobody may answer for it, or somebody may all the same with a time-out: either way it is not in work any more.
      if (!accumulator.hasAnswered(position)) {
        health.inFlight--;
        const unsent = failed(FailureCode.peerUnavailable, errorMessage(error));
        accumulator.add(position, unsent, this.context.clock.monotonicMs() - this.beganMs);
      }
      throw error;
    }
    return accumulator.hasAnswered(position) ? 0 : delayMs;
  }

  #causeOf(isFirst: boolean): QuestionCause {
    if (this.#planned === 0) return 'replacement';
    return isFirst ? 'first' : 'hedge';
  }

  #noteLater(position: number): void {
    this.#askedAfterMs ??= new Array<number>(this.from).fill(0);
    this.#askedAfterMs[position] = this.context.clock.monotonicMs() - this.beganMs;
  }

  #noteHedge(position: number, health: ReplicaHealth): void {
    this.#hedged |= 1 << position;
    health.hedges++;
    this.#hedging.sent++;
  }

  /** Of the answers that made it succeed. */
  #countHedgesWon(): void {
    const { accumulator } = this;
    for (let position = 0; position < this.from; position++) {
      if ((this.#hedged & (1 << position)) === 0 || !accumulator.hasAnswered(position)) continue;
      if (accumulator.failureOf(position) !== FailureCode.none) continue;
      this.#healthOf(position).hedgesWon++;
      this.#hedging.won++;
    }
  }

  #healthOf(position: number): ReplicaHealth {
    return this.#ranking.healths[this.replicas.view.placement.lists[this.listOffset + position]];
  }
}
