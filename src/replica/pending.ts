/**
 * The calls that the engine is working on, and who gets each answer. A call is removed before its sink is called,
 * because the sink may start the next request.
 */

import { CallTable, type ReadSink, type WriteSink, type WriteStatus } from '../../native-free-lsm/index.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';

type ReadReply = (record: Uint8Array | null, error: Error | null) => ReplicaReply;
type WriteReply = (
  status: WriteStatus,
  metTimestamp: number,
  metWriter: number,
  error: Error | null,
) => ReplicaReply;

interface PendingCall {
  sink: ReplySink | null;
  position: number;
}

class PendingCalls {
  readonly #calls = new CallTable<PendingCall>();

  /** Returns the token with which the engine answers. */
  add(sink: ReplySink, position: number): number {
    const call = this.#calls.reuse() ?? { sink: null, position: 0 };
    call.sink = sink;
    call.position = position;
    return this.#calls.add(call);
  }

  get count(): number {
    return this.#calls.count;
  }

  protected answer(token: number, reply: ReplicaReply): void {
    const call = this.#calls.find(token);
    if (call === undefined) throw new Error(`request ${token} was answered twice by the engine`);
    const { sink, position } = call;
    call.sink = null;
    this.#calls.free(token);
    sink?.onReply(position, reply);
  }
}

export class PendingReads extends PendingCalls implements ReadSink {
  readonly #reply: ReadReply;

  constructor(reply: ReadReply) {
    super();
    this.#reply = reply;
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    this.answer(token, this.#reply(record, error));
  }
}

export class PendingWrites extends PendingCalls implements WriteSink {
  readonly #reply: WriteReply;

  constructor(reply: WriteReply) {
    super();
    this.#reply = reply;
  }

  onWrite(
    token: number,
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): void {
    this.answer(token, this.#reply(status, metTimestamp, metWriter, error));
  }
}
