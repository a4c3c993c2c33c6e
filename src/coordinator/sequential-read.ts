import type { QuestionCause } from '../explanation.ts';
import type { ReplicaReply } from '../reply.ts';
import { ReadOperation } from './read-operation.ts';

/** A GET that asks one replica after the other, in the order of the key's list, until it can be answered. */
export class SequentialRead extends ReadOperation {
  #next = 0;
  #isAsking = false;

  /** A replica that answers inside the call that asks it is followed by the next one in the loop. */
  protected override send(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (!this.isDecided && this.#isTurnOfNext) {
      const timeoutMs = this.#next === 0 ? this.timeoutMs : this.remainingMs;
      // Its time is over, and nobody has told it yet: whoever was asked now would work for nothing.
      if (this.#next > 0 && timeoutMs === 0) break;
      const position = this.#next++;
      const node = this.replicas.view.placement.lists[this.listOffset + position];
      if (this.context.causes !== null) this.context.causes.onCause(this.#causeOf(position));
      this.accumulator.ask(position);
      this.replicas.read(node, this.key, timeoutMs, this, position);
    }
    this.#isAsking = false;
  }

  override onReply(position: number, reply: ReplicaReply): void {
    super.onReply(position, reply);
    if (!this.isDecided) this.carryOn();
  }

  /** Beyond as many as have to answer, one is asked because another did not count. */
  #causeOf(position: number): QuestionCause {
    if (position === 0) return 'first';
    return position < this.ack ? 'turn' : 'replacement';
  }

  get #isTurnOfNext(): boolean {
    return this.#next < this.from && (this.#next === 0 || this.accumulator.hasAnswered(this.#next - 1));
  }
}
