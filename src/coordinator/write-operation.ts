import {
  compareRecordVersions,
  encodeRecord,
  recordFault,
  recordTimestamp,
  recordValueStart,
} from '../../native-free-lsm/index.ts';
import { Operation, type OperationContext, OperationOutcome, type OperationReply } from './operation.ts';
import type { ReplySink } from './replica-access.ts';
import { failedReply, type ReplicaReply, ReplyKind, WRITE_OK } from './reply.ts';
import { RequestKind } from './response-accumulator.ts';

const NOTHING = new Uint8Array(0);
/** Two coordinators may overtake each other; with every try it is less likely, and after these the client is told. */
const MAX_TRIES = 8;

/**
 * A PUT, or a DELETE, which puts a tombstone.
 *
 * A replica that holds a newer version does not take the write, and that is no success: the newer one may have been
 * acknowledged before this began, by a node whose clock runs ahead, and this must win over it. So the operation takes
 * a timestamp that is later than the version met and sends the write again, to all its replicas, so that all copies
 * end up as one. Only answers to the last try count. (Counted together, a write would be acknowledged that has too
 * few replicas under either timestamp: one in between could win on some and lose on others.)
 */
export class WriteOperation extends Operation {
  #key: Uint8Array;
  /** Until it is part of a record. */
  #value: Uint8Array;
  /** As it was sent last. */
  #record: Uint8Array = NOTHING;
  readonly #tombstone: boolean;
  #tries = 0;
  #isSending = false;
  /** The next try is due: as soon as this one is sent to all, and there is a timestamp for it. */
  #isOvertaken = false;

  /** @param value null: the key is deleted */
  constructor(
    context: OperationContext,
    key: Uint8Array,
    value: Uint8Array | null,
    ack: number,
    from: number,
    listOffset: number,
    reply: OperationReply,
    waitedMs: number,
  ) {
    super(context, RequestKind.write, ack, from, listOffset, reply, waitedMs);
    this.#key = key;
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
    } while (this.#isOvertaken && !this.isDecided);
  }

  override onReply(position: number, reply: ReplicaReply): void {
    this.onReplyToTry(1, position, reply);
  }

  onReplyToTry(tried: number, position: number, reply: ReplicaReply): void {
    // Also a late word of a newer version says what this node's next writes have to win over.
    const heard = reply.kind === ReplyKind.stale ? this.#look(tried, reply) : reply;
    if (tried !== this.#tries || this.isDecided || this.accumulator.hasAnswered(position)) return;
    super.onReply(position, heard);
    // The first time it is tried again at once: nobody needs to wait for the others. Where that was not enough there
    // is a race for the key, and as long as `ack` is within reach another round would only prolong it.
    if (heard.kind === ReplyKind.stale && this.#tries === 1) this.overtaken();
  }

  protected override overtaken(): void {
    if (this.isDecided || this.#isOvertaken) return;
    if (this.#tries === MAX_TRIES) {
      this.fallShort('no answer yet');
      return;
    }
    this.#isOvertaken = true;
    if (!this.#isSending) this.start();
  }

  protected override succeed(): void {
    this.decide(OperationOutcome.ok, null, '');
  }

  protected override decide(outcome: OperationOutcome, value: Uint8Array | null, sentence: string): void {
    super.decide(outcome, value, sentence);
    this.#key = NOTHING;
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
    if (timestamps.refusal === undefined) timestamps.whenReady((error) => this.#onReady(error));
    else this.#giveUp('');
  }

  #try(timestamp: number): void {
    const { lists, replicas, writerId } = this.context;
    const { from, timeoutMs } = this;
    const fields = { timestamp, writer: writerId, tombstone: this.#tombstone, from, expiryMs: 0 };
    const sent = this.#record;
    const value = sent === NOTHING ? this.#value : sent.subarray(recordValueStart(sent, 0));
    // Anew, and not with another timestamp in place: the bytes of the last try may still be on their way.
    this.#record = encodeRecord(fields, value);
    this.#value = NOTHING;
    this.#isOvertaken = false;
    const tried = ++this.#tries;
    const write = { key: this.#key, record: this.#record, timeoutMs };
    this.#isSending = true;
    if (tried === 1) replicas.write(lists, this.listOffset, from, write, this);
    else {
      this.countAnew();
      write.timeoutMs = Math.max(this.deadlineMs - this.context.clock.monotonicMs(), 0);
      replicas.write(lists, this.listOffset, from, write, new LaterTry(this, tried));
    }
    this.#isSending = false;
  }

  /** What a replica's word that it holds another version comes to. */
  #look(tried: number, reply: ReplicaReply): ReplicaReply {
    const met = reply.record;
    const fault = met === null ? 'none' : recordFault(met, 0, met.length);
    if (met === null || fault !== undefined) return failedReply(`sent a version that is none: ${fault}`);
    const isOfLastTry = tried === this.#tries && !this.isDecided;
    // A frame that came twice: it is stored.
    if (isOfLastTry && compareRecordVersions(met, 0, this.#record, 0) === 0) return WRITE_OK;
    if (this.context.timestamps.follow(recordTimestamp(met, 0))) return reply;
    return failedReply("it holds a version too far ahead of this node's clock");
  }

  #onReady(error: Error | null): void {
    if (this.isDecided) return;
    if (error === null) this.start();
    else this.#giveUp(error.message);
  }

  #giveUp(why: string): void {
    const { refusal } = this.context.timestamps;
    const sentence = `${refusal ?? `This node has no timestamp to give: ${why}`}. Try again.`;
    // What was sent before may be stored.
    const isSent = this.#tries > 0;
    this.decide(isSent ? OperationOutcome.notEnoughReplicas : OperationOutcome.overloaded, null, sentence);
  }
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
