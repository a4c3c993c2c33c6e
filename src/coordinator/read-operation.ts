import {
  isTombstone,
  recordExpiryMs,
  recordTimestamp,
  recordValueStart,
} from '../../native-free-lsm/index.ts';
import { Operation, type OperationContext, OperationOutcome, type OperationReply } from './operation.ts';
import { RequestKind } from './response-accumulator.ts';

/** A GET: the freshest of the replicas' answers. */
export class ReadOperation extends Operation {
  readonly #key: Uint8Array;

  constructor(
    context: OperationContext,
    key: Uint8Array,
    ack: number,
    from: number,
    listOffset: number,
    reply: OperationReply,
    waitedMs: number,
  ) {
    super(context, RequestKind.read, ack, from, listOffset, reply, waitedMs);
    this.#key = key;
  }

  protected override send(): void {
    const { lists, replicas } = this.context;
    const { timeoutMs } = this;
    for (let position = 0; position < this.from; position++) {
      replicas.read(lists[this.listOffset + position], this.#key, timeoutMs, this, position);
    }
  }

  protected override succeed(): void {
    const record = this.accumulator.freshest;
    // Whoever has read a version and writes then must win over it. One that cannot be followed is met by that write.
    if (record !== null) this.context.timestamps.follow(recordTimestamp(record, 0));
    if (record === null || isTombstone(record, 0) || this.#isExpired(record)) {
      this.decide(OperationOutcome.notFound, null, '');
    } else {
      this.decide(OperationOutcome.ok, record.subarray(recordValueStart(record, 0)), '');
    }
  }

  #isExpired(record: Uint8Array): boolean {
    const expiryMs = recordExpiryMs(record, 0);
    return expiryMs > 0 && expiryMs <= this.context.clock.nowMs();
  }
}
