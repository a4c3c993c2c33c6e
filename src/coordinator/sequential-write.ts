import type { ReplicaReply, ReplySink } from '../reply.ts';
import type { EncodedWrite } from './replica-access.ts';
import { Decision } from './response-accumulator.ts';
import { WriteOperation } from './write-operation.ts';

/**
 * A PUT or DELETE that is sent to one replica after the other, in the order of the key's list. Its answer is given as soon
 * as it is certain, and the write goes on to the replicas that are left, as long as its time lasts. A write that is
 * overtaken begins again with the first.
 *
 * From its answer on the client's bytes are not counted any more, but the record is still needed for the replicas that
 * are left. So what answered writes hold is counted by itself, and one for which there is no room is sent to all that
 * are left at once. So is every answered write when the node stops.
 */
export class SequentialWrite extends WriteOperation {
  /** The last try, while there are replicas to which it is still to be sent. */
  #write: EncodedWrite | null = null;
  #tried = 0;
  #next = 0;
  /** Of the monotonic time. */
  #untilMs = 0;
  #isPassingOn = false;
  /** Each replica waits until the one before it has answered. */
  #isInTurn = true;
  /** Of what answered writes may hold. */
  #reservedBytes = 0;

  protected override get expectsMore(): boolean {
    return this.#write !== null;
  }

  protected override send(): void {
    if (this.#write !== null && !this.#isOvertaken) this.#passOn();
    else super.send();
  }

  protected override deliver(write: EncodedWrite, tried: number): void {
    this.#write = write;
    this.#tried = tried;
    this.#next = 0;
    this.#untilMs = this.deadlineMs;
    this.#passOn();
  }

  protected override letGo(): void {
    super.letGo();
    if (this.#write === null) return;
    const { length } = this.#write.record;
    // There will be no further try.
    if (this.accumulator.decision === Decision.overtaken) this.#finish();
    else if (this.context.passedOn.reserve(length)) this.#reservedBytes = length;
    else this.#isInTurn = false;
  }

  override expire(): void {
    // No time is left for the others.
    this.#finish();
    super.expire();
  }

  override abandon(): void {
    if (this.isAnswered) {
      this.#isInTurn = false;
      if (this.#write !== null) this.carryOn();
    } else this.#finish();
    super.abandon();
  }

  /** A replica has answered. */
  onReplyInTurn(tried: number, position: number, reply: ReplicaReply): void {
    this.onReplyToTry(tried, position, reply);
    if (this.#write !== null && !this.#isOvertaken) this.carryOn();
  }

  /** Replicas that answer inside the call that asks them are followed by the next one in the loop. */
  #passOn(): void {
    if (this.#isPassingOn) return;
    this.#isPassingOn = true;
    try {
      while (this.#write !== null && !this.#isOvertaken && this.#isTurnOfNext) {
        const timeoutMs = Math.max(this.#untilMs - this.context.clock.monotonicMs(), 0);
        if (this.#next > 0 && timeoutMs === 0) this.#finish();
        else this.#ask(this.#write, timeoutMs);
      }
    } catch (error) {
      this.#finish();
      throw error;
    } finally {
      this.#isPassingOn = false;
    }
    if (this.isAnswered) this.settleWhenComplete();
  }

  /** Asks the next replica, or all that are left. */
  #ask({ key, record }: EncodedWrite, timeoutMs: number): void {
    const first = this.#next;
    const count = this.#isInTurn ? 1 : this.from - first;
    for (let i = 0; i < count; i++) this.accumulator.ask(first + i);
    this.#next += count;
    const sink = new TurnOfReplicas(this, this.#tried, first);
    this.replicas.write(this.listOffset + first, count, { key, record, timeoutMs }, sink);
    if (this.#next === this.from && !this.#isOvertaken) this.#finish();
  }

  /** It is sent to nobody any more, so it need not be held. */
  #finish(): void {
    this.#next = this.from;
    this.#write = null;
    this.context.passedOn.release(this.#reservedBytes);
    this.#reservedBytes = 0;
  }

  get #isTurnOfNext(): boolean {
    if (this.#next === this.from) return false;
    return !this.#isInTurn || this.#next === 0 || this.accumulator.hasAnswered(this.#next - 1);
  }

  /** Another try is due. */
  get #isOvertaken(): boolean {
    return !this.isAnswered && this.accumulator.decision === Decision.overtaken;
  }
}

/** Takes the answers of the replicas that were asked together in one try. */
class TurnOfReplicas implements ReplySink {
  readonly #operation: SequentialWrite;
  readonly #tried: number;
  readonly #first: number;

  constructor(operation: SequentialWrite, tried: number, first: number) {
    this.#operation = operation;
    this.#tried = tried;
    this.#first = first;
  }

  onReply(position: number, reply: ReplicaReply): void {
    this.#operation.onReplyInTurn(this.#tried, this.#first + position, reply);
  }
}
