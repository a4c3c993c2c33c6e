import {
  isTombstone,
  recordExpiryMs,
  recordFault,
  recordTimestamp,
  recordWriter,
} from '../../native-free-lsm/index.ts';
import type { Clock, TimerHandle } from '../clock.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import type {
  AnswerKind,
  CauseSink,
  ExplainedQuestion,
  ExplanationSlot,
  FollowUp,
  QuestionCause,
  QuestionKind,
} from '../explanation.ts';
import { FailureCode, failureName } from '../failure.ts';
import type { Outcome, OutcomeSink } from '../outcome.ts';
import { type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import {
  type FollowUpSink,
  ReplicaState,
  RequestKind,
  type Settlement,
  type SettlementSink,
} from '../settlement.ts';
import type { OperationContext } from './operation.ts';
import type { EncodedWrite, ReplicaSet } from './replica-access.ts';

/** A request of 32 replicas that is written back and tried again has about so many. */
const MAX_LISTED = 256;
/** The operation's own deadline is seen a little late. */
const GRACE_MS = 50;

const STATE_NAMES: ReadonlyMap<ReplicaState, string> = new Map(
  Object.entries(ReplicaState).map(([name, state]) => [state, name]),
);

export interface ExplainedRequest {
  readonly kind: RequestKind;
  readonly ack: number;
  readonly from: number;
  readonly listOffset: number;
  readonly isSequential: boolean;
  readonly waitedMs: number;
}

/** The answer that the client is given when all is known; of a value only its size is told. */
interface HeldOutcome {
  readonly outcome: Outcome;
  readonly valueBytes: number | null;
  readonly reason: string;
  readonly timestamp: number;
  readonly writer: number;
  readonly livesMs: number;
  readonly afterMs: number;
}

/**
 * Stands between a request and the replicas, and between it and its client, and notes what goes by. The request itself is
 * carried out as any other, so what is explained is what happens, and requests that are not explained pay nothing. The
 * client has its answer only once all that were asked have answered, or the request's time is over.
 */
export class Explainer implements ReplicaSet, OutcomeSink, SettlementSink, FollowUpSink, CauseSink {
  readonly view: ClusterView;
  /** For the operation that is explained. */
  readonly context: OperationContext;
  readonly #replicas: ReplicaSet;
  readonly #reply: OutcomeSink;
  readonly #slot: ExplanationSlot;
  readonly #settlements: SettlementSink;
  readonly #clock: Clock;
  readonly #request: ExplainedRequest;
  readonly #beganMs: number;
  readonly #timer: TimerHandle;
  readonly #questions: ExplainedQuestion[] = [];
  readonly #followUps: FollowUp[][];
  #unlisted = 0;
  /** Of the next read, as the operation says; one that asks all at once says nothing. */
  #cause: QuestionCause = 'first';
  #held: HeldOutcome | null = null;
  readonly #states: (string | null)[];
  #isSettled = false;
  #isOverdue = false;
  #isTold = false;

  constructor(
    slot: ExplanationSlot,
    replicas: ReplicaSet,
    reply: OutcomeSink,
    context: OperationContext,
    request: ExplainedRequest,
  ) {
    const { clock, timeoutMs } = context;
    this.view = replicas.view;
    this.#slot = slot;
    this.#replicas = replicas;
    this.#reply = reply;
    this.#settlements = context.settlements;
    this.context = { ...context, settlements: this, followUps: this, causes: this };
    this.#clock = clock;
    this.#request = request;
    this.#followUps = Array.from({ length: request.from }, () => []);
    this.#states = new Array<string | null>(request.from).fill(null);
    this.#beganMs = clock.monotonicMs();
    this.#timer = clock.after(Math.max(timeoutMs - request.waitedMs, 0) + GRACE_MS, () => {
      this.#isOverdue = true;
      this.#tell();
    });
  }

  onCause(cause: QuestionCause): void {
    this.#cause = cause;
  }

  read(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const question = this.#ask('read', position, this.#cause);
    this.#replicas.read(node, key, timeoutMs, new HeardReply(this, [question], sink, position), position);
  }

  readVersion(node: number, key: Uint8Array, timeoutMs: number, sink: ReplySink, position: number): void {
    const question = this.#ask('version', position, 'first');
    this.#replicas.readVersion(
      node,
      key,
      timeoutMs,
      new HeardReply(this, [question], sink, position),
      position,
    );
  }

  write(listOffset: number, count: number, write: EncodedWrite, sink: ReplySink): void {
    const first = listOffset - this.#request.listOffset;
    const kind = this.#request.kind === RequestKind.read ? 'write-back' : 'write';
    const questions: ExplainedQuestion[] = [];
    for (let i = 0; i < count; i++) {
      const question = this.#ask(kind, first + i, this.#causeOfWrite(kind, first + i));
      question.timestamp = recordTimestamp(write.record, 0);
      question.writer = recordWriter(write.record, 0);
      question.expiryMs = recordExpiryMs(write.record, 0);
      questions.push(question);
    }
    this.#replicas.write(listOffset, count, write, new HeardReply(this, questions, sink, 0));
  }

  onLargeValue(bytes: number): void {
    this.#reply.onLargeValue(bytes);
  }

  onOutcome(
    outcome: Outcome,
    value: Uint8Array | null,
    reason: string,
    timestamp: number,
    writer: number,
    livesMs: number,
  ): void {
    const valueBytes = value?.length ?? null;
    this.#held = { outcome, valueBytes, reason, timestamp, writer, livesMs, afterMs: this.#afterMs };
    this.#tell();
  }

  onSettled(settlement: Settlement): void {
    for (let position = 0; position < settlement.from; position++)
      this.#states[position] = STATE_NAMES.get(settlement.stateOf(position)) ?? null;
    // Whoever mends replicas says so within this call.
    this.#settlements.onSettled(settlement);
    this.#isSettled = true;
    this.#tell();
  }

  onFollowUp(position: number, followUp: FollowUp): void {
    this.#followUps[position].push(followUp);
  }

  /** A node has answered. */
  hear(question: ExplainedQuestion, reply: ReplicaReply): void {
    if (question.answer !== null || this.#isTold) return;
    const { code, kind, record, reason } = reply;
    question.answeredAfterMs = this.#afterMs;
    // A replica that holds the very version already, because a hint or another try has brought it, has it stored.
    const isHeld = kind === ReplyKind.stale && record !== null && isVersionOf(record, question);
    question.answer = isHeld ? 'stored' : answerOf(reply);
    question.failure = code === FailureCode.none ? '' : failureName(code);
    question.reason = isHeld ? '' : reason;
    if (record === null || recordFault(record, 0, record.length) !== undefined) return;
    // What is under way to a node is known already; what it has instead is news.
    if (kind === ReplyKind.ok && question.timestamp > 0) return;
    question.timestamp = recordTimestamp(record, 0);
    question.writer = recordWriter(record, 0);
    question.expiryMs = recordExpiryMs(record, 0);
  }

  get #afterMs(): number {
    return this.#clock.monotonicMs() - this.#beganMs;
  }

  #ask(kind: QuestionKind, position: number, cause: QuestionCause): ExplainedQuestion {
    const { nodes, placement } = this.view;
    const question: ExplainedQuestion = {
      node: nodes[placement.lists[this.#request.listOffset + position]].id,
      position,
      kind,
      cause,
      askedAfterMs: this.#afterMs,
      answeredAfterMs: null,
      answer: null,
      timestamp: 0,
      writer: 0,
      expiryMs: 0,
      failure: '',
      reason: '',
    };
    if (this.#questions.length < MAX_LISTED && !this.#isTold) this.#questions.push(question);
    else this.#unlisted++;
    return question;
  }

  #causeOfWrite(kind: QuestionKind, position: number): QuestionCause {
    const isAgain = this.#questions.some((asked) => asked.kind === kind && asked.position === position);
    if (isAgain) return 'retry';
    const isFirst = !this.#questions.some((asked) => asked.kind === kind);
    return this.#request.isSequential && !isFirst ? 'turn' : 'first';
  }

  #tell(): void {
    const held = this.#held;
    if (held === null || this.#isTold || !(this.#isSettled || this.#isOverdue)) return;
    this.#isTold = true;
    this.#timer.cancel();
    const { ack, from, listOffset, waitedMs } = this.#request;
    const { nodes, placement } = this.view;
    this.#slot.explanation = {
      ack,
      from,
      waitedMs,
      answeredAfterMs: held.afterMs,
      isSettled: this.#isSettled,
      valueBytes: held.valueBytes,
      replicas: this.#states.map((state, position) => ({
        node: nodes[placement.lists[listOffset + position]].id,
        position,
        state,
        followUps: this.#followUps[position],
      })),
      questions: this.#questions,
      unlisted: this.#unlisted,
    };
    const { outcome, reason, timestamp, writer, livesMs } = held;
    this.#reply.onOutcome(outcome, null, reason, timestamp, writer, livesMs);
  }
}

/** Hears the answers to questions that were asked together, and passes them on. */
class HeardReply implements ReplySink {
  readonly #explainer: Explainer;
  readonly #questions: readonly ExplainedQuestion[];
  readonly #sink: ReplySink;
  /** By which the first of them is known to the sink. */
  readonly #first: number;

  constructor(explainer: Explainer, questions: readonly ExplainedQuestion[], sink: ReplySink, first: number) {
    this.#explainer = explainer;
    this.#questions = questions;
    this.#sink = sink;
    this.#first = first;
  }

  onReply(position: number, reply: ReplicaReply): void {
    this.#explainer.hear(this.#questions[position - this.#first], reply);
    this.#sink.onReply(position, reply);
  }
}

function isVersionOf(record: Uint8Array, { timestamp, writer }: ExplainedQuestion): boolean {
  const isRecord = recordFault(record, 0, record.length) === undefined;
  return isRecord && recordTimestamp(record, 0) === timestamp && recordWriter(record, 0) === writer;
}

function answerOf({ kind, record }: ReplicaReply): AnswerKind {
  switch (kind) {
    case ReplyKind.ok:
      if (record === null) return 'stored';
      return isTombstone(record, 0) ? 'deletion' : 'value';
    case ReplyKind.absent:
      return 'nothing';
    case ReplyKind.stale:
      return 'newer';
    case ReplyKind.incomplete:
      return 'incomplete';
    default:
      return 'failed';
  }
}
