import {
  encodeRecord,
  recordFault,
  recordTimestamp,
  recordValueStart,
  timestampMs,
} from '../../native-free-lsm/index.ts';
import { FailureCode } from '../failure.ts';
import type { TimestampWaiter } from '../hybrid-clock.ts';
import { Outcome, type OutcomeSink } from '../outcome.ts';
import { failed, isSettledVersion, type ReplicaReply, ReplyKind, type ReplySink } from '../reply.ts';
import type { RequestOptions } from '../request-options.ts';
import { RequestKind } from '../settlement.ts';
import { Operation, type OperationContext } from './operation.ts';
import type { EncodedWrite, ReplicaSet } from './replica-access.ts';

const NOTHING = new Uint8Array(0);
const VERSION_AHEAD = "it holds a version too far ahead of this node's clock";

/**
 * A PUT, or a DELETE, which puts a tombstone.
 *
 * A replica that holds a newer version does not take the write, and that is no success: the newer one may have been
 * acknowledged before this began, by a node whose clock runs ahead, and this must win over it. So where such answers
 * put `ack` out of reach, the operation takes a timestamp that is later than all that it has met, and sends the write
 * again, to all its replicas, so that all copies end up as one. Only answers to the last try count. (Counted together,
 * a write would be acknowledged that has too few replicas under either timestamp: one in between could win on some and
 * lose on others.)
 *
 * Nodes that write one key at a time would overtake each other without end. But a replica that has answered before and
 * holds a newer version now got that after this write had begun, as this is later than what it held then. The two are
 * at one time, either may win, and the answer is a success: whoever reads there reads this write or one that came
 * after what this had to win over. So each replica can put a write off once, and most need two tries at most. (It is
 * how the register of Lynch and Shvartsman has its writes ordered, but for a first try that needs no question before.)
 * A replica that has named its watermark has not said what it holds, and can put the write off once more.
 */
export class WriteOperation extends Operation implements TimestampWaiter {
  /** Until it is part of a record. */
  #value: Uint8Array;
  /** As it was sent last. */
  #record: Uint8Array = NOTHING;
  readonly #tombstone: boolean;
  #tries = 0;
  #isSending = false;
  /** The next try is due: as soon as this one is sent to all, and there is a timestamp for it. */
  #isOvertaken = false;
  #isWaiting = false;
  /** Once it has waited for a timestamp or for versions, less of its time is left than it came with. */
  protected hasWaited = false;

  /** @param value null: the key is deleted */
  constructor(
    context: OperationContext,
    replicas: ReplicaSet,
    key: Uint8Array,
    value: Uint8Array | null,
    options: RequestOptions,
    ack: number,
    from: number,
    listOffset: number,
    reply: OutcomeSink,
    waitedMs: number,
  ) {
    super(context, replicas, RequestKind.write, key, options, ack, from, listOffset, reply, waitedMs);
    this.#value = value ?? NOTHING;
    this.#tombstone = value === null;
  }

  protected override send(): void {
    do {
      const timestamp = this.context.timestamps.issue();
      if (timestamp === 0) {
        this.#waitForOne();
        return;
      }
      this.#try(timestamp);
    } while (this.#isOvertaken && !this.isAnswered);
  }

  override onReply(position: number, reply: ReplicaReply): void {
    this.onReplyToTry(1, position, reply);
  }

  onReplyToTry(tried: number, position: number, reply: ReplicaReply): void {
    // Also a late word of a newer version says what this write, or this node's next ones, have to win over.
    const heard = reply.kind === ReplyKind.stale ? this.#look(reply) : reply;
    if (tried === this.#tries) super.onReply(position, heard);
    else if (heard.code === FailureCode.none && !isWatermark(heard)) this.accumulator.noteKnown(position);
  }

  protected override overtaken(): void {
    // Said again by whoever answers while the next try waits for a timestamp.
    if (this.#isOvertaken) return;
    this.#isOvertaken = true;
    if (!this.#isSending) this.start();
  }

  protected override succeed(): void {
    this.answer(Outcome.ok, null, '', this.timestamp, this.writer, this.options.ttlMs);
  }

  protected override letGo(): void {
    if (this.#isWaiting) this.#stopWaiting();
    this.#value = NOTHING;
    this.#record = NOTHING;
  }

  override expire(): void {
    if (this.#tries > 0) super.expire();
    else this.#giveUp(`none came in ${this.context.timeoutMs} ms`);
  }

  /** After a pause, or while its clock is being measured, a node has no timestamps for a moment. */
  #waitForOne(): void {
    const { timestamps } = this.context;
    if (timestamps.refusal === undefined) {
      this.#isWaiting = true;
      this.hasWaited = true;
      timestamps.wait(this);
    } else this.#giveUp('');
  }

  /** The clock may be held up for longer than any request: one that is answered is not kept in memory by it. */
  #stopWaiting(): void {
    this.#isWaiting = false;
    this.context.timestamps.stopWaiting(this);
  }

  #try(timestamp: number): void {
    const { writerId } = this.context;
    const { from, timeoutMs } = this;
    const { ttlMs } = this.options;
    // A function of the version alone, so that every copy of it expires at one time.
    const expiryMs = ttlMs === 0 ? 0 : timestampMs(timestamp) + ttlMs;
    const fields = { timestamp, writer: writerId, tombstone: this.#tombstone, from, expiryMs };
    const sent = this.#record;
    const value = sent === NOTHING ? this.#value : sent.subarray(recordValueStart(sent, 0));
    // Anew, and not with another timestamp in place: the bytes of the last try may still be on their way.
    this.#record = encodeRecord(fields, value);
    this.#value = NOTHING;
    this.#isOvertaken = false;
    const tried = ++this.#tries;
    this.beginTry(timestamp, writerId);
    const write = { key: this.key, record: this.#record, timeoutMs };
    if (tried > 1 || this.hasWaited) write.timeoutMs = this.remainingMs;
    this.#isSending = true;
    this.deliver(write, tried);
    this.#isSending = false;
  }

  /** Sends a try to all replicas in parallel. */
  protected deliver(write: EncodedWrite, tried: number): void {
    const sink = tried === 1 ? this : new LaterTry(this, tried);
    this.accumulator.askAll();
    this.replicas.write(this.listOffset, this.from, write, sink);
  }

  /** What a replica's word that it holds another version comes to. */
  #look(reply: ReplicaReply): ReplicaReply {
    const met = reply.record;
    const fault = met === null ? 'none' : recordFault(met, 0, met.length);
    if (met === null || fault !== undefined)
      return failed(FailureCode.protocol, `sent a version that is none: ${fault}`);
    if (this.context.timestamps.follow(recordTimestamp(met, 0))) return reply;
    return { kind: ReplyKind.stale, record: met, code: FailureCode.versionAhead, reason: VERSION_AHEAD };
  }

  onTimestamps(error: Error | null): void {
    this.#isWaiting = false;
    if (error === null) this.start();
    else this.#giveUp(error.message);
  }

  #giveUp(why: string): void {
    const { refusal } = this.context.timestamps;
    const sentence = `${refusal ?? `This node has no timestamp to give: ${why}`}. Try again.`;
    // What was sent before may be stored.
    const isSent = this.#tries > 0;
    this.answer(isSent ? Outcome.notEnoughReplicas : Outcome.overloaded, null, sentence);
  }
}

/** The replica has not looked at the key: what it holds may be newer, and from before this write began. */
function isWatermark({ record }: ReplicaReply): boolean {
  return record !== null && isSettledVersion(record);
}

/** Takes the answers to one try but the first. */
class LaterTry implements ReplySink {
  readonly #operation: WriteOperation;
  readonly #tried: number;

  constructor(operation: WriteOperation, tried: number) {
    this.#operation = operation;
    this.#tried = tried;
  }

  onReply(position: number, reply: ReplicaReply): void {
    this.#operation.onReplyToTry(this.#tried, position, reply);
  }
}
