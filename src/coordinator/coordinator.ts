import type { Clock } from '../clock.ts';
import type { Placement } from '../cluster/placement.ts';
import { slotOf } from '../cluster/slots.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { ByteBudget } from './byte-budget.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import type { OperationContext, TimestampSource } from './operation.ts';
import { defaultAck, defaultFrom, quorumFault } from './quorum.ts';
import { ReadOperation } from './read-operation.ts';
import type { ReplicaSet } from './replica-access.ts';
import { WriteOperation } from './write-operation.ts';

/** Records of reads that wait for further answers: three of the largest. */
const MAX_HELD_RECORD_BYTES = 64 * 1024 * 1024;

export interface CoordinatorOptions {
  readonly nodeIds: readonly string[];
  readonly placement: Placement;
  readonly replicas: ReplicaSet;
  readonly timestamps: TimestampSource;
  /** Breaks ties between equal timestamps of two nodes: 32 bits, this node's own. */
  readonly writerId: number;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Carries out requests over the key's replicas. Every request gets exactly one answer, whatever fails. */
export class Coordinator {
  readonly #placement: Placement;
  readonly #nodes: number;
  readonly #context: OperationContext;

  constructor(options: CoordinatorOptions) {
    const { clock, nodeIds, placement, replicas, timeoutMs, timestamps, writerId } = options;
    this.#placement = placement;
    this.#nodes = nodeIds.length;
    const deadlines = new DeadlineQueue(clock, timeoutMs);
    const { lists } = placement;
    const shared = { deadlines, records: new ByteBudget(MAX_HELD_RECORD_BYTES) };
    this.#context = { nodeIds, lists, replicas, timestamps, writerId, clock, timeoutMs, ...shared };
  }

  /**
   * @param ack 0 and `from` 0: the defaults
   * @param waitedMs what of the request's time has passed already
   */
  get(key: Uint8Array, ack: number, from: number, reply: OutcomeSink, waitedMs = 0): void {
    const copies = this.#copies(from);
    const needed = ack === 0 ? defaultAck(copies) : ack;
    if (this.#refuses(needed, copies, reply)) return;
    new ReadOperation(this.#context, key, needed, copies, this.#listOffset(key), reply, waitedMs).start();
  }

  put(key: Uint8Array, value: Uint8Array, ack: number, from: number, reply: OutcomeSink, waitedMs = 0): void {
    this.#write(key, value, ack, from, reply, waitedMs);
  }

  delete(key: Uint8Array, ack: number, from: number, reply: OutcomeSink, waitedMs = 0): void {
    this.#write(key, null, ack, from, reply, waitedMs);
  }

  /** Answers what is under way: no replica's answer counts any more. */
  close(): void {
    this.#context.deadlines.close();
  }

  #write(
    key: Uint8Array,
    value: Uint8Array | null,
    ack: number,
    from: number,
    reply: OutcomeSink,
    waitedMs: number,
  ): void {
    const copies = this.#copies(from);
    const needed = ack === 0 ? defaultAck(copies) : ack;
    if (this.#refuses(needed, copies, reply)) return;
    new WriteOperation(
      this.#context,
      key,
      value,
      needed,
      copies,
      this.#listOffset(key),
      reply,
      waitedMs,
    ).start();
  }

  #copies(from: number): number {
    return from === 0 ? defaultFrom(this.#nodes, this.#placement.maxFrom) : from;
  }

  #listOffset(key: Uint8Array): number {
    return this.#placement.listOffset(slotOf(key));
  }

  #refuses(ack: number, from: number, reply: OutcomeSink): boolean {
    const fault = quorumFault(ack, from, this.#nodes, this.#placement.maxFrom);
    if (fault === undefined) return false;
    reply.onOutcome(Outcome.badRequest, null, fault);
    return true;
  }
}
