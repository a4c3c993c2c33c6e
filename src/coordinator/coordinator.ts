import { encodeRecord } from '../../native-free-lsm/index.ts';
import type { Clock } from '../clock.ts';
import type { Placement } from '../cluster/placement.ts';
import { slotOf } from '../cluster/slots.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { Operation, type OperationContext, OperationOutcome, type OperationReply } from './operation.ts';
import { defaultAck, defaultFrom, quorumFault } from './quorum.ts';
import type { ReplicaSet } from './replica-access.ts';
import { RequestKind } from './response-accumulator.ts';

/** Gives every write its place in time: hybrid-clock.ts. */
export interface TimestampSource {
  /** A new timestamp; 0 when there is none yet. */
  issue(): number;
  /** Calls back once `issue` may be tried again, with the error that makes it hopeless. */
  whenReserved(callback: (error: Error | null) => void): void;
}

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

const NO_VALUE = new Uint8Array(0);

/** Carries out requests over the key's replicas. Every request gets exactly one answer, whatever fails. */
export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #context: OperationContext;
  readonly #deadlines: DeadlineQueue;

  constructor(options: CoordinatorOptions) {
    const { clock, nodeIds, timeoutMs } = options;
    this.#options = options;
    this.#context = { nodeIds, timeoutMs, nowMs: () => clock.nowMs() };
    this.#deadlines = new DeadlineQueue(clock, timeoutMs);
  }

  /** @param ack 0 and `from` 0: the defaults */
  get(key: Uint8Array, ack: number, from: number, reply: OperationReply): void {
    const { placement, replicas, timeoutMs } = this.#options;
    const copies = this.#from(from);
    const needed = ack === 0 ? defaultAck(copies) : ack;
    if (this.#refused(needed, copies, reply)) return;
    const offset = placement.listOffset(slotOf(key));
    const operation = new Operation(this.#context, RequestKind.read, needed, copies, placement.lists, offset, reply);
    for (let position = 0; position < copies; position++) {
      replicas.read(placement.lists[offset + position], key, timeoutMs, operation, position);
    }
    if (!operation.isDecided) this.#deadlines.add(operation);
  }

  put(key: Uint8Array, value: Uint8Array, ack: number, from: number, reply: OperationReply): void {
    this.#write(key, value, false, ack, from, reply);
  }

  delete(key: Uint8Array, ack: number, from: number, reply: OperationReply): void {
    this.#write(key, NO_VALUE, true, ack, from, reply);
  }

  /** Answers what is under way: no replica's answer counts any more. */
  close(): void {
    this.#deadlines.close();
  }

  #write(
    key: Uint8Array,
    value: Uint8Array,
    tombstone: boolean,
    ack: number,
    from: number,
    reply: OperationReply,
  ): void {
    const copies = this.#from(from);
    const needed = ack === 0 ? defaultAck(copies) : ack;
    if (this.#refused(needed, copies, reply)) return;
    const timestamp = this.#options.timestamps.issue();
    if (timestamp !== 0) this.#send(key, value, tombstone, needed, copies, timestamp, reply);
    else this.#sendWhenReserved(key, value, tombstone, needed, copies, reply);
  }

  /** After a pause: the first write waits for the clock's next reservation, a sync of the identity file. */
  #sendWhenReserved(
    key: Uint8Array,
    value: Uint8Array,
    tombstone: boolean,
    ack: number,
    from: number,
    reply: OperationReply,
  ): void {
    this.#options.timestamps.whenReserved((error) => {
      const timestamp = error === null ? this.#options.timestamps.issue() : 0;
      if (timestamp !== 0) this.#send(key, value, tombstone, ack, from, timestamp, reply);
      else reply.onOutcome(OperationOutcome.overloaded, null, 'this node has no timestamp to give: try again');
    });
  }

  #send(
    key: Uint8Array,
    value: Uint8Array,
    tombstone: boolean,
    ack: number,
    from: number,
    timestamp: number,
    reply: OperationReply,
  ): void {
    const { placement, replicas, timeoutMs, writerId } = this.#options;
    const record = encodeRecord({ timestamp, writer: writerId, tombstone, from, expiryMs: 0 }, value);
    const { lists } = placement;
    const offset = placement.listOffset(slotOf(key));
    const operation = new Operation(this.#context, RequestKind.write, ack, from, lists, offset, reply);
    replicas.write(lists, offset, from, { key, record, timeoutMs }, operation);
    if (!operation.isDecided) this.#deadlines.add(operation);
  }

  #from(from: number): number {
    const { nodeIds, placement } = this.#options;
    return from === 0 ? defaultFrom(nodeIds.length, placement.maxFrom) : from;
  }

  #refused(ack: number, from: number, reply: OperationReply): boolean {
    const { nodeIds, placement } = this.#options;
    const fault = quorumFault(ack, from, nodeIds.length, placement.maxFrom);
    if (fault === undefined) return false;
    reply.onOutcome(OperationOutcome.badRequest, null, fault);
    return true;
  }
}
