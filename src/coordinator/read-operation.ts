import { isLive, recordTimestamp, recordValueStart } from '../../native-free-lsm/index.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import type { ReplicaReply } from '../reply.ts';
import { RequestKind } from '../settlement.ts';
import { Operation, type OperationContext } from './operation.ts';
import type { ReplicaSet } from './replica-access.ts';

/** Shorter ones are bounded by the number of requests. */
const COUNTED_RECORD_BYTES = 16 * 1024;
const FULL_SENTENCE = 'This node holds as many bytes of answers as it may: try again later.';

/**
 * A GET: the freshest of the replicas' answers. The first to come wait for those that are needed, and how long they are
 * shows only then: their bytes are bounded together.
 */
export class ReadOperation extends Operation {
  #reservedBytes = 0;

  constructor(
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    super(context, replicas, RequestKind.read, key, ack, from, listOffset, reply, waitedMs);
  }

  /** Asks all in parallel. */
  protected override send(): void {
    const { replicas, timeoutMs } = this;
    this.accumulator.askAll();
    const { lists } = replicas.view.placement;
    for (let position = 0; position < this.from; position++) {
      replicas.read(lists[this.listOffset + position], this.key, timeoutMs, this, position);
    }
  }

  override onReply(position: number, reply: ReplicaReply): void {
    const bytes = reply.record?.length ?? 0;
    if (bytes >= COUNTED_RECORD_BYTES && !this.isAnswered && !this.#reserve(bytes))
      this.answer(Outcome.overloaded, null, FULL_SENTENCE);
    super.onReply(position, reply);
  }

  protected override letGo(): void {
    this.context.records.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  /** Of the answers one record is kept, the freshest: at most as long as the longest. */
  #reserve(bytes: number): boolean {
    const more = bytes - this.#reservedBytes;
    if (more <= 0) return true;
    this.tellLargeValue(bytes);
    if (!this.context.records.reserve(more)) return false;
    this.#reservedBytes = bytes;
    return true;
  }

  protected override succeed(): void {
    const record = this.accumulator.freshest;
    // Whoever has read a version and writes then must win over it. One that cannot be followed is met by that write.
    if (record !== null) this.context.timestamps.follow(recordTimestamp(record, 0));
    if (record === null || !isLive(record, 0, this.context.clock.nowMs())) {
      this.answer(Outcome.notFound, null, '');
    } else {
      this.answer(Outcome.ok, record.subarray(recordValueStart(record, 0)), '');
    }
  }
}
