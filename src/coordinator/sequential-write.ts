import type { ReplicaReply, ReplySink } from '../reply.ts';
import type { EncodedWrite } from './replica-access.ts';
import { Decision } from './response-accumulator.ts';
import { WriteOperation } from './write-operation.ts';

/**
 * A PUT or DELETE that is sent to one replica after the other, in the order of the key's list. Its answer is given as soon
 * as it is certain, and the write goes on to the replicas that are left, as long as its time lasts. A write that is
 * overtaken begins again with the first.
 */
export class SequentialWrite extends WriteOperation {
  /** The last try, while there are replicas to which it is still to be sent. */
  #write: EncodedWrite | null = null;
  #tried = 0;
  #next = 0;
  /** Of the monotonic time. */
  #untilMs = 0;
  #isPassingOn = false;

  protected override get mayAskMore(): boolean {
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
    this.#untilMs = this.context.clock.monotonicMs() + write.timeoutMs;
    this.#passOn();
  }

  protected override letGo(): void {
    super.letGo();
    // There will be no further try.
    if (this.accumulator.decision === Decision.overtaken) this.#write = null;
  }

  /** A replica has answered. */
  onReplyInTurn(tried: number, position: number, reply: ReplicaReply): void {
    this.onReplyToTry(tried, position, reply);
    if (this.#write !== null && !this.#isOvertaken) this.carryOn();
  }

  /** A replica that answers inside the call that asks it is followed by the next one in the loop. */
  #passOn(): void {
    if (this.#isPassingOn) return;
    this.#isPassingOn = true;
    while (this.#write !== null && !this.#isOvertaken && this.#isTurnOfNext) {
      const timeoutMs = Math.max(this.#untilMs - this.context.clock.monotonicMs(), 0);
      const isOver = this.#next > 0 && timeoutMs === 0;
      if (isOver || this.isSettled) this.#next = this.from;
      else this.#ask(this.#next++, this.#write, timeoutMs);
      if (this.#next === this.from && !this.#isOvertaken) this.#write = null;
    }
    this.#isPassingOn = false;
    if (this.isAnswered) this.settleWhenComplete();
  }

  #ask(position: number, { key, record }: EncodedWrite, timeoutMs: number): void {
    this.accumulator.ask(position);
    const sink = new TurnOfReplica(this, this.#tried, position);
    this.replicas.write(this.listOffset + position, 1, { key, record, timeoutMs }, sink);
  }

  get #isTurnOfNext(): boolean {
    return this.#next === 0 || this.accumulator.hasAnswered(this.#next - 1);
  }

  /** Another try is due. */
  get #isOvertaken(): boolean {
    return !this.isAnswered && this.accumulator.decision === Decision.overtaken;
  }
}

/** Takes one replica's answer to one try. */
class TurnOfReplica implements ReplySink {
  readonly #operation: SequentialWrite;
  readonly #tried: number;
  readonly #position: number;

  constructor(operation: SequentialWrite, tried: number, position: number) {
    this.#operation = operation;
    this.#tried = tried;
    this.#position = position;
  }

  onReply(_position: number, reply: ReplicaReply): void {
    this.#operation.onReplyInTurn(this.#tried, this.#position, reply);
  }
}
