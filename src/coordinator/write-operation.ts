import { encodeRecord } from '../../native-free-lsm/index.ts';
import { Operation, type OperationContext, OperationOutcome, type OperationReply } from './operation.ts';
import { RequestKind } from './response-accumulator.ts';

const NOTHING = new Uint8Array(0);

/** A PUT, or a DELETE, which puts a tombstone. */
export class WriteOperation extends Operation {
  #key: Uint8Array;
  #value: Uint8Array;
  readonly #tombstone: boolean;
  #isSent = false;

  /** @param value null: the key is deleted */
  constructor(
    context: OperationContext,
    key: Uint8Array,
    value: Uint8Array | null,
    ack: number,
    from: number,
    listOffset: number,
    reply: OperationReply,
  ) {
    super(context, RequestKind.write, ack, from, listOffset, reply);
    this.#key = key;
    this.#value = value ?? NOTHING;
    this.#tombstone = value === null;
  }

  protected override send(): void {
    const { lists, replicas, timeoutMs, timestamps, writerId } = this.context;
    const timestamp = timestamps.issue();
    if (timestamp === 0) {
      timestamps.whenReserved((error) => this.#onReserved(error));
      return;
    }
    this.#isSent = true;
    const { from } = this;
    const fields = { timestamp, writer: writerId, tombstone: this.#tombstone, from, expiryMs: 0 };
    const write = { key: this.#key, record: encodeRecord(fields, this.#value), timeoutMs };
    this.#key = NOTHING;
    this.#value = NOTHING;
    replicas.write(lists, this.listOffset, from, write, this);
  }

  protected override succeed(): void {
    this.decide(OperationOutcome.ok, null, '');
  }

  override expire(): void {
    if (this.#isSent) super.expire();
    else this.#giveUp(`none came in ${this.context.timeoutMs} ms`);
  }

  /** After a pause the first writes wait for the clock: until a reservation is on disk it has no timestamps. */
  #onReserved(error: Error | null): void {
    if (this.isDecided) return;
    if (error === null) this.start();
    else this.#giveUp(error.message);
  }

  #giveUp(why: string): void {
    this.decide(OperationOutcome.overloaded, null, `This node has no timestamp to give: ${why}. Try again.`);
  }
}
