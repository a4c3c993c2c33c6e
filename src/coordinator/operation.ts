import { recordFault } from '../../native-free-lsm/index.ts';
import type { Clock } from '../clock.ts';
import { errorMessage } from '../errors.ts';
import type { CauseSink, FollowUp } from '../explanation.ts';
import { FailureCode } from '../failure.ts';
import type { TimestampWaiter } from '../hybrid-clock.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { failed, type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import type { RequestOptions } from '../request-options.ts';
import type { FollowUpSink, ReplicaState, RequestKind, Settlement, SettlementSink } from '../settlement.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { DeadlineQueue, Expiring } from './deadline-queue.ts';
import type { LinkedList } from './linked-list.ts';
import type { ReplicaSet } from './replica-access.ts';
import { Decision, ResponseAccumulator } from './response-accumulator.ts';

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
  /** This node's own time in ms since the Unix epoch, by which values expire: own-time.ts. It never goes back. */
  nowMs(): number;
}

/** What the operations of one coordinator share. */
export interface OperationContext {
  readonly timestamps: TimestampSource;
  readonly writerId: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whether a read whose answers differ brings the newest version to others before it is answered. */
  readonly writesBack: boolean;
  readonly deadlines: DeadlineQueue;
  /** How long a value that has expired here may still be there for another node: expiry.ts. */
  readonly freshMs: number;
  /** Records of reads that are not decided yet. */
  readonly records: ByteBudget;
  /** Records of writes that are answered, and still to be sent to some of their replicas. */
  readonly passedOn: ByteBudget;
  /** Operations that are answered and not settled. */
  readonly unsettled: LinkedList<Expiring>;
  readonly settlements: SettlementSink;
  /** Of a request that is explained: hears what is done about its replicas. */
  readonly followUps: FollowUpSink | null;
  /** Of the same: of an operation that asks replicas for more than one cause. */
  readonly causes: CauseSink | null;
}

/** The life of an operation: each of these is reached exactly once, in this order. */
const Phase = {
  /** For as many replicas as have to answer. It is in the queue of deadlines. */
  waiting: 0,
  /** The client has its answer. It is among the unsettled, and takes what replicas say late. */
  answered: 1,
  /** All replicas that were asked have answered, or the node stops: it has told what each of them said, and tells nothing more. */
  settled: 2,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

const NOBODY: OutcomeSink = { onOutcome() {}, onLargeValue() {} };

/**
 * One request over its replicas: waiting, then answered, then settled. Its one answer is given as soon as it is certain;
 * what replicas say later changes nothing about that, and is told when the request settles. As every replica that is
 * asked is answered for by then, with a time-out at the latest, every operation settles. Once answered it lets go of its value
 * and of its client: the network may hold on to the operation until the last replica has answered.
 */
export abstract class Operation implements ReplySink, Expiring, Settlement {
  deadlineMs = 0;
  earlier: Expiring | null = null;
  later: Expiring | null = null;
  readonly kind: RequestKind;
  readonly key: Uint8Array;
  readonly ack: number;
  readonly from: number;
  protected readonly options: RequestOptions;
  /** Once it is answered. */
  outcome: Outcome = Outcome.failed;
  protected readonly context: OperationContext;
  /** Of the view that was current when the request began: it holds to this one whatever the cluster becomes. */
  protected readonly replicas: ReplicaSet;
  protected readonly accumulator: ResponseAccumulator;
  /** Where in the preference lists the key's begins. */
  protected readonly listOffset: number;
  readonly #waitedMs: number;
  /** Who waits for the answer; once it is given, nobody. */
  #reply: OutcomeSink;
  /** Of the monotonic time. */
  #beganMs = 0;
  /** Why replicas failed, by position; made when the first does. */
  #reasons: string[] | null = null;
  #phase: Phase = Phase.waiting;

  /** @param waitedMs what of the request's time has passed already */
  constructor(
    context: OperationContext,
    replicas: ReplicaSet,
    kind: RequestKind,
    key: Uint8Array,
    options: RequestOptions,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    this.context = context;
    this.replicas = replicas;
    this.accumulator = new ResponseAccumulator(kind, ack, from);
    this.kind = kind;
    this.key = key;
    this.options = options;
    this.ack = ack;
    this.from = from;
    this.listOffset = listOffset;
    this.#reply = reply;
    this.#waitedMs = waitedMs;
  }

  /** Asks the replicas whose turn it is, or sees to it that they will be asked. */
  protected abstract send(): void;
  /** `ack` replicas have answered. */
  protected abstract succeed(): void;
  /** Gives up what only the answer needed: late replies carry no value on. */
  protected abstract letGo(): void;

  protected tellLargeValue(bytes: number): void {
    this.#reply.onLargeValue(bytes);
  }

  /** What of the request's time was left when it came here. */
  protected get timeoutMs(): number {
    return this.context.timeoutMs - this.#waitedMs;
  }

  /** Of the monotonic time. */
  protected get beganMs(): number {
    return this.#beganMs;
  }

  /** What of its time is left now, while it is not answered. */
  protected get remainingMs(): number {
    return Math.max(this.deadlineMs - this.context.clock.monotonicMs(), 0);
  }

  get isAnswered(): boolean {
    return this.#phase !== Phase.waiting;
  }

  /** Begins; also goes on after a wait. */
  start(): void {
    if (this.deadlineMs === 0) {
      this.context.deadlines.add(this, this.#waitedMs);
      this.#beganMs = this.deadlineMs - this.timeoutMs;
    }
    this.carryOn();
  }

  /** Asks whose turn it is now. A request whose replicas are asked one after the other goes on after its answer. */
  protected carryOn(): void {
    try {
      this.send();
    } catch (error) {
      this.answer(Outcome.failed, null, `The request could not be sent: ${errorMessage(error)}`);
      // Not everybody was asked, so not everybody will answer.
      this.#settle();
    }
  }

  onReply(position: number, reply: ReplicaReply): void {
    const { accumulator } = this;
    if (accumulator.hasAnswered(position)) return;
    const fault = reply.record === null ? undefined : recordFault(reply.record, 0, reply.record.length);
    const sound =
      fault === undefined ? reply : failed(FailureCode.protocol, `sent a record that is none: ${fault}`);
    const answeredAfterMs = this.context.clock.monotonicMs() - this.#beganMs;
    const { successes } = accumulator;
    const wasDecided = accumulator.decision === Decision.succeeded;
    const decision = accumulator.add(position, sound, answeredAfterMs);
    if (this.#phase === Phase.waiting) {
      if (accumulator.successes === successes) this.#noteReason(position, sound);
      // Its answer waits for something else then.
      if (wasDecided) return;
      if (decision === Decision.succeeded) this.succeed();
      else if (decision === Decision.overtaken) this.overtaken();
      else if (decision === Decision.failed) this.fallShort('no answer yet');
    } else this.settleWhenComplete();
  }

  /** Whether more is to come from replicas, although the request is answered and all that it asked first have answered. */
  protected get expectsMore(): boolean {
    return false;
  }

  /** Too many replicas hold a newer version: reads never hear of it. */
  protected overtaken(): void {
    this.fallShort('no answer yet');
  }

  /** A write is sent under this version: what was said of an earlier one does not count any more. */
  protected beginTry(timestamp: number, writer: number): void {
    this.accumulator.beginTry(timestamp, writer);
    this.#reasons = null;
  }

  expire(): void {
    this.fallShort(`no answer in ${this.context.timeoutMs} ms`);
  }

  abandon(): void {
    this.answer(Outcome.overloaded, null, 'This node is stopping.');
    this.#settle();
  }

  /**
   * The one way to an answer: the first one stands. Whoever hears it may ask for the next thing before it returns.
   * @param timestamp of the version that the answer is about, 0: of none; and so the last two
   */
  protected answer(
    outcome: Outcome,
    value: Uint8Array | null,
    sentence: string,
    timestamp = 0,
    writer = 0,
    livesMs = 0,
  ): void {
    if (this.#phase !== Phase.waiting) return;
    this.#phase = Phase.answered;
    this.outcome = outcome;
    this.accumulator.dropRecord();
    this.context.deadlines.remove(this);
    this.context.unsettled.append(this);
    this.letGo();
    const reply = this.#reply;
    this.#reply = NOBODY;
    reply.onOutcome(outcome, value, sentence, timestamp, writer, livesMs);
    this.settleWhenComplete();
  }

  /** Once it is answered. */
  protected settleWhenComplete(): void {
    if (this.accumulator.isComplete && !this.expectsMore) this.#settle();
  }

  #settle(): void {
    if (this.#phase !== Phase.answered) return;
    this.#phase = Phase.settled;
    this.context.unsettled.remove(this);
    this.context.settlements.onSettled(this);
  }

  get timestamp(): number {
    return this.accumulator.timestamp;
  }

  get writer(): number {
    return this.accumulator.writer;
  }

  get writtenFrom(): number {
    return this.accumulator.writtenFrom;
  }

  get isConflict(): boolean {
    return this.outcome === Outcome.ok && this.accumulator.isConflict;
  }

  nodeIdOf(position: number): string {
    const { nodes, placement } = this.replicas.view;
    return nodes[placement.lists[this.listOffset + position]].id;
  }

  stateOf(position: number): ReplicaState {
    return this.accumulator.stateOf(position);
  }

  timestampOf(position: number): number {
    return this.accumulator.timestampOf(position);
  }

  writerOf(position: number): number {
    return this.accumulator.writerOf(position);
  }

  failureOf(position: number): number {
    return this.accumulator.failureOf(position);
  }

  answeredAfterMs(position: number): number {
    return this.accumulator.answeredAfterMs(position);
  }

  noteFollowUp(position: number, followUp: FollowUp): void {
    this.context.followUps?.onFollowUp(position, followUp);
  }

  /** @param silence what is said of replicas that have not answered */
  protected fallShort(silence: string): void {
    const others: string[] = [];
    for (let position = 0; position < this.from; position++) {
      const reason = this.#reasonOf(position, silence);
      if (reason !== '') others.push(`${this.nodeIdOf(position)}: ${reason}`);
    }
    const did = this.accumulator.successes;
    const sentence = `${this.ack} of ${this.from} replicas had to answer, ${did} did (${others.join('; ')}).`;
    this.answer(Outcome.notEnoughReplicas, null, sentence);
  }

  #reasonOf(position: number, silence: string): string {
    if (!this.accumulator.isAsked(position)) return 'not asked';
    return this.accumulator.hasAnswered(position) ? (this.#reasons?.[position] ?? '') : silence;
  }

  #noteReason(position: number, { kind, reason }: ReplicaReply): void {
    // Nothing counts any more for a write that is to be sent again, so one that is stored does not either.
    if (kind === ReplyKind.ok) return;
    this.#reasons ??= new Array<string>(this.from).fill('');
    this.#reasons[position] = reason === '' ? 'failed' : reason;
  }
}
