import { isTombstone, recordExpiryMs, recordValueStart } from '../../native-free-lsm/index.ts';
import type { ReplySink } from './replica-access.ts';
import { type ReplicaReply, ReplyKind } from './reply.ts';
import { Decision, RequestKind, ResponseAccumulator } from './response-accumulator.ts';

/** What became of a request; the numbers are those of the HTTP layer's Outcome. */
export const OperationOutcome = {
  ok: 0,
  notFound: 1,
  notEnoughReplicas: 2,
  overloaded: 3,
  badRequest: 4,
  failed: 5,
} as const;
export type OperationOutcome = (typeof OperationOutcome)[keyof typeof OperationOutcome];

/** Who asked. Called exactly once per request, possibly before the call that started it returns. */
export interface OperationReply {
  onOutcome(outcome: OperationOutcome, value: Uint8Array | null, reason: string): void;
}

export interface OperationContext {
  readonly nodeIds: readonly string[];
  readonly timeoutMs: number;
  nowMs(): number;
}

/**
 * One request over its replicas, from the first question to its one answer: waiting, then answered. Answers that
 * come later, twice or never change nothing.
 */
export class Operation implements ReplySink {
  readonly #context: OperationContext;
  readonly #kind: RequestKind;
  readonly #ack: number;
  readonly #from: number;
  /** Whom it asks: the preference lists, and where the key's begins. */
  readonly #lists: Uint16Array;
  readonly #listOffset: number;
  readonly #reply: OperationReply;
  readonly #accumulator: ResponseAccumulator;
  /** Why replicas failed, by position; made when the first does. */
  #reasons: string[] | undefined;

  constructor(
    context: OperationContext,
    kind: RequestKind,
    ack: number,
    from: number,
    lists: Uint16Array,
    listOffset: number,
    reply: OperationReply,
  ) {
    this.#context = context;
    this.#kind = kind;
    this.#ack = ack;
    this.#from = from;
    this.#lists = lists;
    this.#listOffset = listOffset;
    this.#reply = reply;
    this.#accumulator = new ResponseAccumulator(kind, ack, from);
  }

  get isDecided(): boolean {
    return this.#accumulator.decision !== Decision.waiting;
  }

  onReply(position: number, reply: ReplicaReply): void {
    const accumulator = this.#accumulator;
    if (accumulator.decision !== Decision.waiting || accumulator.hasAnswered(position)) return;
    const decision = accumulator.add(position, reply);
    if (reply.kind !== ReplyKind.ok && reply.kind !== ReplyKind.absent) this.#noteReason(position, reply);
    if (decision === Decision.succeeded) this.#succeed();
    else if (decision === Decision.failed) this.#fail();
  }

  /** The deadline has passed. */
  expire(): void {
    if (this.isDecided) return;
    this.#accumulator.expire();
    this.#fail();
  }

  #succeed(): void {
    if (this.#kind === RequestKind.write) {
      this.#reply.onOutcome(OperationOutcome.ok, null, '');
      return;
    }
    const record = this.#accumulator.freshest;
    if (record === null || isTombstone(record, 0) || this.#isExpired(record)) {
      this.#reply.onOutcome(OperationOutcome.notFound, null, '');
    } else {
      this.#reply.onOutcome(OperationOutcome.ok, record.subarray(recordValueStart(record, 0)), '');
    }
  }

  #isExpired(record: Uint8Array): boolean {
    const expiryMs = recordExpiryMs(record, 0);
    return expiryMs > 0 && expiryMs <= this.#context.nowMs();
  }

  #noteReason(position: number, { kind, reason }: ReplicaReply): void {
    this.#reasons ??= new Array(this.#from).fill('');
    this.#reasons[position] = kind === ReplyKind.incomplete ? 'is not whole' : reason;
  }

  #fail(): void {
    const parts: string[] = [];
    for (let position = 0; position < this.#from; position++) {
      const node = this.#context.nodeIds[this.#lists[this.#listOffset + position]];
      const reason = this.#reasons?.[position] ?? '';
      if (reason !== '') parts.push(`${node}: ${reason}`);
      else if (!this.#accumulator.hasAnswered(position)) parts.push(`${node}: has not answered`);
    }
    const did = this.#accumulator.successes;
    const sentence = `${this.#ack} of ${this.#from} replicas had to answer, ${did} did (${parts.join('; ')})`;
    this.#reply.onOutcome(OperationOutcome.notEnoughReplicas, null, sentence);
  }
}
