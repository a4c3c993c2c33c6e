import { recordFault } from '../../native-free-lsm/index.ts';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import type { TimestampWaiter } from '../hybrid-clock.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import type { ReplySink } from '../reply.ts';
import { failed, type ReplicaReply, ReplyKind } from '../reply.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { DeadlineQueue, Expiring } from './deadline-queue.ts';
import type { ReplicaSet } from './replica-access.ts';
import { Decision, type RequestKind, ResponseAccumulator } from './response-accumulator.ts';

/** Gives every write its place in time: hybrid-clock.ts. */
export interface TimestampSource {
  /** A new timestamp; 0 when there is none now. */
  issue(): number;
  /** Why there is none, and will be none soon, a sentence: this node must not write. */
  readonly refusal: string | undefined;
  /** Tells the waiter once, when `issue` may be tried again. */
  wait(waiter: TimestampWaiter): void;
  /** Nothing happens to one that does not wait. */
  stopWaiting(waiter: TimestampWaiter): void;
  /**
   * Takes note of a timestamp that was met: what is issued from now on is later. False, and nothing is noted, for
   * one so far ahead of this node's time that the replicas would refuse what is later still.
   */
  follow(timestamp: number): boolean;
}

/** What the operations of one coordinator share. */
export interface OperationContext {
  readonly timestamps: TimestampSource;
  readonly writerId: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly deadlines: DeadlineQueue;
  /** Records of reads that are not decided yet. */
  readonly records: ByteBudget;
}

/**
 * One request over its replicas, from the first question to its one answer: waiting, then decided. What replicas
 * say later, twice or never changes nothing. Once decided it lets go of its value: the network may hold on to the
 * operation until the last replica has answered.
 */
export abstract class Operation implements ReplySink, Expiring {
  deadlineMs = 0;
  earlier: Expiring | null = null;
  later: Expiring | null = null;
  protected readonly context: OperationContext;
  /** Of the view that was current when the request began: it holds to this one whatever the cluster becomes. */
  protected readonly replicas: ReplicaSet;
  protected accumulator: ResponseAccumulator;
  protected readonly from: number;
  /** Where in the preference lists the key's begins. */
  protected readonly listOffset: number;
  readonly #waitedMs: number;
  readonly #kind: RequestKind;
  readonly #ack: number;
  readonly #reply: OutcomeSink;
  /** Why replicas failed, by position; made when the first does. */
  #reasons: string[] | null = null;
  #isDecided = false;

  /** @param waitedMs what of the request's time has passed already */
  constructor(
    context: OperationContext,
    replicas: ReplicaSet,
    kind: RequestKind,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    this.context = context;
    this.replicas = replicas;
    this.accumulator = new ResponseAccumulator(kind, ack, from);
    this.from = from;
    this.listOffset = listOffset;
    this.#kind = kind;
    this.#ack = ack;
    this.#reply = reply;
    this.#waitedMs = waitedMs;
  }

  /** Asks the replicas, or sees to it that they will be asked. */
  protected abstract send(): void;
  /** `ack` replicas have answered. */
  protected abstract succeed(): void;

  protected tellLargeValue(bytes: number): void {
    this.#reply.onLargeValue(bytes);
  }

  /** What of the request's time was left when it came here. */
  protected get timeoutMs(): number {
    return this.context.timeoutMs - this.#waitedMs;
  }

  get isDecided(): boolean {
    return this.#isDecided;
  }

  /** Begins; also goes on after a wait. */
  start(): void {
    if (this.deadlineMs === 0) this.context.deadlines.add(this, this.#waitedMs);
    try {
      this.send();
    } catch (error) {
      this.decide(Outcome.failed, null, `The request could not be sent: ${errorMessage(error)}`);
    }
  }

  onReply(position: number, reply: ReplicaReply): void {
    const { accumulator } = this;
    if (this.#isDecided || accumulator.hasAnswered(position)) return;
    const fault = reply.record === null ? undefined : recordFault(reply.record, 0, reply.record.length);
    const sound =
      fault === undefined ? reply : failed(FailureCode.protocol, `sent a record that is none: ${fault}`);
    if (sound.kind !== ReplyKind.ok && sound.kind !== ReplyKind.absent)
      this.#noteReason(position, sound.reason);
    const decision = accumulator.add(position, sound);
    if (decision === Decision.succeeded) this.succeed();
    else if (decision === Decision.overtaken) this.overtaken();
    else if (decision === Decision.failed) this.fallShort('no answer yet');
  }

  /** Too many replicas hold a newer version: reads never hear of it. */
  protected overtaken(): void {
    this.fallShort('no answer yet');
  }

  /** Counts from the start: what was said until now does not count any more. */
  protected countAnew(): void {
    this.accumulator = new ResponseAccumulator(this.#kind, this.#ack, this.from);
    this.#reasons = null;
  }

  expire(): void {
    this.fallShort(`no answer in ${this.context.timeoutMs} ms`);
  }

  abandon(): void {
    this.decide(Outcome.overloaded, null, 'This node is stopping.');
  }

  /** The one way to an answer: the first decision stands. Whoever hears it may ask for the next thing before it returns. */
  protected decide(outcome: Outcome, value: Uint8Array | null, sentence: string): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.accumulator.freshest = null;
    this.context.deadlines.remove(this);
    this.letGo();
    this.#reply.onOutcome(outcome, value, sentence);
  }

  /** Nothing is needed any more but what late answers may say. */
  protected abstract letGo(): void;

  /** @param silence what is said of replicas that have not answered */
  protected fallShort(silence: string): void {
    const { nodes, placement } = this.replicas.view;
    const others: string[] = [];
    for (let position = 0; position < this.from; position++) {
      const reason = this.accumulator.hasAnswered(position) ? (this.#reasons?.[position] ?? '') : silence;
      if (reason !== '') others.push(`${nodes[placement.lists[this.listOffset + position]].id}: ${reason}`);
    }
    const did = this.accumulator.successes;
    const sentence = `${this.#ack} of ${this.from} replicas had to answer, ${did} did (${others.join('; ')}).`;
    this.decide(Outcome.notEnoughReplicas, null, sentence);
  }

  #noteReason(position: number, reason: string): void {
    this.#reasons ??= new Array<string>(this.from).fill('');
    this.#reasons[position] = reason === '' ? 'failed' : reason;
  }
}
