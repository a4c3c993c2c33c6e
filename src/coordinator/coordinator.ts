import type { Clock } from '../clock.ts';
import type { ClusterView } from '../cluster/cluster-view.ts';
import { slotOf } from '../cluster/slots.ts';
import type { Replication } from '../config.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { Consistency, type RequestOptions } from '../request-options.ts';
import { RequestKind, type SettlementSink } from '../settlement.ts';
import { ByteBudget } from './byte-budget.ts';
import { DeadlineQueue, type Expiring } from './deadline-queue.ts';
import { type ExplainedRequest, Explainer } from './explainer.ts';
import { HedgedRead } from './hedged-read.ts';
import { Hedging, type HedgingFigures, type HedgingOptions } from './hedging.ts';
import { LinkedList } from './linked-list.ts';
import type { OperationContext, TimestampSource } from './operation.ts';
import { defaultAck, linearizableFault, quorumFault } from './quorum.ts';
import { ReadOperation } from './read-operation.ts';
import type { CurrentReplicas, ReplicaSet } from './replica-access.ts';
import { SequentialRead } from './sequential-read.ts';
import { SequentialWrite } from './sequential-write.ts';
import { TwoPhaseWrite } from './two-phase-write.ts';
import { WriteOperation } from './write-operation.ts';

/** Three of the largest: of reads that wait for further answers, and as many again of writes that are passed on. */
const MAX_HELD_RECORD_BYTES = 64 * 1024 * 1024;

interface CoordinatorOptions {
  readonly replicas: CurrentReplicas;
  readonly timestamps: TimestampSource;
  /** Breaks ties between equal timestamps of two nodes: 32 bits, this node's own. */
  readonly writerId: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Whether a read whose answers differ brings the newest version to others before it is answered. */
  readonly writesBack: boolean;
  /** How long a value that has expired here may still be there for another node: expiry.ts. */
  readonly freshMs: number;
  /** Is told what each request has come to. */
  readonly settlements: SettlementSink;
  /** In which order replicas are asked. */
  readonly replication: Replication;
  /** Used by `hedged` alone. */
  readonly hedging: HedgingOptions;
}

/** Carries out requests over the key's replicas. Every request gets exactly one answer, whatever fails. */
export class Coordinator {
  readonly #replicas: CurrentReplicas;
  readonly #context: OperationContext;
  readonly #isSequential: boolean;
  readonly #hedging: Hedging | null;

  constructor(options: CoordinatorOptions) {
    const { clock, freshMs, replication, replicas, settlements, timeoutMs, timestamps } = options;
    const { writerId, writesBack } = options;
    this.#replicas = replicas;
    const deadlines = new DeadlineQueue(clock, timeoutMs);
    const records = new ByteBudget(MAX_HELD_RECORD_BYTES);
    const passedOn = new ByteBudget(MAX_HELD_RECORD_BYTES);
    const unsettled = new LinkedList<Expiring>();
    const shared = { deadlines, records, passedOn, unsettled, settlements, followUps: null, causes: null };
    this.#context = { timestamps, writerId, clock, timeoutMs, writesBack, freshMs, ...shared };
    this.#isSequential = replication === 'sequential';
    this.#hedging = replication === 'hedged' ? new Hedging(options.hedging, clock) : null;
  }

  /** @param waitedMs how much of the request's time has passed already */
  get(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs = 0): void {
    const replicas = this.#replicas.current;
    const { view } = replicas;
    const copies = options.from === 0 ? view.defaultFrom : options.from;
    const needed = options.ack === 0 ? defaultAck(copies) : options.ack;
    if (refuses(view, options, needed, copies, reply)) return;
    const listOffset = view.placement.listOffset(slotOf(key));
    if (options.explain === null)
      this.#read(this.#context, replicas, key, options, needed, copies, listOffset, reply, waitedMs);
    else {
      const request = this.#explainedRequest(RequestKind.read, needed, copies, listOffset, waitedMs);
      const explainer = new Explainer(options.explain, replicas, reply, this.#context, request);
      this.#read(explainer.context, explainer, key, options, needed, copies, listOffset, explainer, waitedMs);
    }
  }

  put(key: Uint8Array, value: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs = 0): void {
    this.#write(key, value, options, reply, waitedMs);
  }

  delete(key: Uint8Array, options: RequestOptions, reply: OutcomeSink, waitedMs = 0): void {
    this.#write(key, null, options, reply, waitedMs);
  }

  /** Requests that are answered, and some of whose replicas may still answer. */
  get unsettled(): number {
    return this.#context.unsettled.count;
  }

  /** What is known of replicas, and how many hedges there were; null: reads are not hedged. */
  get hedging(): HedgingFigures | null {
    return this.#hedging?.figures() ?? null;
  }

  /** Answers what is under way and settles what is answered: no replica's answer counts any more. */
  close(): void {
    const { deadlines, unsettled } = this.#context;
    this.#hedging?.close();
    deadlines.close();
    for (let request = unsettled.first; request !== null; request = unsettled.first) request.abandon();
  }

  #read(
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    options: RequestOptions,
    needed: number,
    copies: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    const hedging = this.#hedging;
    if (hedging !== null)
      new HedgedRead(
        hedging,
        context,
        replicas,
        key,
        options,
        needed,
        copies,
        listOffset,
        reply,
        waitedMs,
      ).start();
    else if (this.#isSequential)
      new SequentialRead(
        context,
        replicas,
        key,
        options,
        needed,
        copies,
        listOffset,
        reply,
        waitedMs,
      ).start();
    else
      new ReadOperation(context, replicas, key, options, needed, copies, listOffset, reply, waitedMs).start();
  }

  #write(
    key: Uint8Array,
    value: Uint8Array | null,
    options: RequestOptions,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    const replicas = this.#replicas.current;
    const { view } = replicas;
    const copies = options.from === 0 ? view.defaultFrom : options.from;
    const needed = options.ack === 0 ? defaultAck(copies) : options.ack;
    if (refuses(view, options, needed, copies, reply)) return;
    const listOffset = view.placement.listOffset(slotOf(key));
    if (options.explain === null)
      this.#send(this.#context, replicas, key, value, options, needed, copies, listOffset, reply, waitedMs);
    else {
      const request = this.#explainedRequest(RequestKind.write, needed, copies, listOffset, waitedMs);
      const explainer = new Explainer(options.explain, replicas, reply, this.#context, request);
      const { context } = explainer;
      this.#send(context, explainer, key, value, options, needed, copies, listOffset, explainer, waitedMs);
    }
  }

  #explainedRequest(
    kind: RequestKind,
    ack: number,
    from: number,
    listOffset: number,
    waitedMs: number,
  ): ExplainedRequest {
    return { kind, ack, from, listOffset, waitedMs, isSequential: this.#isSequential };
  }

  #send(
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    value: Uint8Array | null,
    options: RequestOptions,
    needed: number,
    copies: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    if (options.consistency === Consistency.linearizable || options.condition !== null)
      new TwoPhaseWrite(
        context,
        replicas,
        key,
        value,
        options,
        needed,
        copies,
        listOffset,
        reply,
        waitedMs,
      ).start();
    else if (this.#isSequential)
      new SequentialWrite(
        context,
        replicas,
        key,
        value,
        options,
        needed,
        copies,
        listOffset,
        reply,
        waitedMs,
      ).start();
    else
      new WriteOperation(
        context,
        replicas,
        key,
        value,
        options,
        needed,
        copies,
        listOffset,
        reply,
        waitedMs,
      ).start();
  }
}

function refuses(
  view: ClusterView,
  options: RequestOptions,
  ack: number,
  from: number,
  reply: OutcomeSink,
): boolean {
  const fault =
    quorumFault(ack, from, view.nodes.length, view.placement.maxFrom) ??
    (options.consistency === Consistency.linearizable ? linearizableFault(ack, from) : undefined);
  if (fault === undefined) return false;
  reply.onOutcome(Outcome.badRequest, null, fault, 0, 0, 0);
  return true;
}
