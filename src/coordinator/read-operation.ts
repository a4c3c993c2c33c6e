import {
  recordExpiryMs,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../../native-free-lsm/index.ts';
import { freshDeletion, lifeOf } from '../expiry.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import type { ReplicaReply } from '../reply.ts';
import { Consistency, type RequestOptions } from '../request-options.ts';
import { RequestKind } from '../settlement.ts';
import { Operation, type OperationContext } from './operation.ts';
import type { ReplicaSet } from './replica-access.ts';
import { WriteBack, type WrittenBackRead } from './write-back.ts';

/** Shorter ones are bounded by the number of requests. */
const COUNTED_RECORD_BYTES = 16 * 1024;
const FULL_SENTENCE = 'This node holds as many bytes of answers as it may: try again later.';

/**
 * A GET: the freshest of the replicas' answers. The first to come wait for those that are needed, and how long they are
 * shows only then: their bytes are bounded together. Where the answers name different versions, the freshest is brought
 * to other replicas before it is answered: see write-back.ts.
 */
export class ReadOperation extends Operation implements WrittenBackRead {
  /** This node's own time before any replica was asked. */
  readonly #beganAtOwnMs: number;
  #reservedBytes = 0;
  /** Whether what it is about to answer is a value, and none that is deleted or expired. */
  #isLive = false;
  /** Null: there was no need for one, or none yet. */
  #writeBack: WriteBack | null = null;

  constructor(
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
    super(context, replicas, RequestKind.read, key, options, ack, from, listOffset, reply, waitedMs);
    this.#beganAtOwnMs = context.timestamps.nowMs();
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
    if (bytes >= COUNTED_RECORD_BYTES && !this.isDecided && !this.#reserve(bytes))
      this.answer(Outcome.overloaded, null, FULL_SENTENCE);
    super.onReply(position, reply);
    this.#writeBack?.onRead(position);
  }

  /** Whether what it answers is certain; before it does so, it may have to be written back. */
  get isDecided(): boolean {
    return this.isAnswered || this.#writeBack !== null;
  }

  protected override get expectsMore(): boolean {
    return this.#writeBack?.isPending ?? false;
  }

  override expire(): void {
    if (this.#writeBack === null) super.expire();
    else this.onNotWrittenBack(this.#writeBack.shortfall(`no answer in ${this.context.timeoutMs} ms`));
  }

  protected override letGo(): void {
    this.#writeBack?.end();
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
    if (record === null) {
      this.answer(Outcome.notFound, null, '');
      return;
    }
    // Judged once: what is brought to others and what is answered must not be two things. And judged by the time of the
    // beginning: by now something newer may have taken the place of a value that had not expired then.
    this.#isLive = lifeOf(record, this.#beganAtOwnMs) > 0;
    const deletion = this.#isLive ? null : freshDeletion(record, this.#beganAtOwnMs, this.context.freshMs);
    if ((deletion === null && !this.accumulator.disagrees) || !this.#isToBeWrittenBack)
      this.#answerWith(record);
    else this.#bringToOthers(deletion ?? record);
  }

  get #isToBeWrittenBack(): boolean {
    const { consistency, repair } = this.options;
    if (consistency === Consistency.linearizable) return true;
    return repair === null ? this.context.writesBack : repair === 'write-back';
  }

  onWrittenBack(): void {
    const record = this.accumulator.freshest;
    if (record !== null) this.#answerWith(record);
  }

  onNotWrittenBack(sentence: string): void {
    this.answer(Outcome.notEnoughReplicas, null, sentence);
  }

  onBrought(position: number, timestamp: number, writer: number): void {
    this.accumulator.noteBrought(position, timestamp, writer);
  }

  onAllAnswered(): void {
    if (this.isAnswered) this.settleWhenComplete();
  }

  #bringToOthers(record: Uint8Array): void {
    const { ack, context, from, key, listOffset, remainingMs, replicas } = this;
    const request = { ack, from, key, listOffset, replicas };
    const isForgettable = !this.#isLive;
    const answer = { ...request, isForgettable, remainingMs, said: this.accumulator };
    this.#writeBack = new WriteBack(this, record, answer, context.clock);
    this.#writeBack.start();
  }

  #answerWith(record: Uint8Array): void {
    const { timestamps } = this.context;
    const timestamp = recordTimestamp(record, 0);
    const writer = recordWriter(record, 0);
    // Whoever has read a version and writes then must win over it. One that cannot be followed is met by that write.
    timestamps.follow(timestamp);
    if (!this.#isLive) {
      this.answer(Outcome.notFound, null, '', timestamp, writer);
      return;
    }
    // Nearly all values stay until they are deleted; one that expires may have done so since the read began.
    const livesMs = recordExpiryMs(record, 0) === 0 ? 0 : Math.max(lifeOf(record, timestamps.nowMs()), 1);
    this.answer(Outcome.ok, record.subarray(recordValueStart(record, 0)), '', timestamp, writer, livesMs);
  }
}
