/**
 * The calls that the engine is working on, and who gets each answer. A call is removed before its sink is called,
 * because the sink may start the next request.
 */

import {
  CallTable,
  MAX_TAG,
  type ReadSink,
  type WriteSink,
  type WriteStatus,
} from '../../native-free-lsm/index.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';

type ReadReply = (record: Uint8Array | null, error: Error | null, slot: number) => ReplicaReply;
type WriteReply = (
  status: WriteStatus,
  metTimestamp: number,
  metWriter: number,
  error: Error | null,
) => ReplicaReply;

interface PendingCall {
  sink: ReplySink | null;
  position: number;
  /** Of a read: see `PendingReads.add`. */
  slot: number;
}

/** Waits for the calls that were under way when it began. */
interface Fence {
  /** The last token given out before. */
  readonly token: number;
  left: number;
  readonly resolve: () => void;
}

const HALF_OF_TAGS = MAX_TAG >>> 1;

abstract class PendingCalls {
  readonly #calls = new CallTable<PendingCall>();
  #lastToken = 0;
  #fences: Fence[] = [];

  get count(): number {
    return this.#calls.count;
  }

  protected addCall(sink: ReplySink, position: number, slot: number): number {
    const call = this.#calls.reuse() ?? { sink: null, position: 0, slot: 0 };
    call.sink = sink;
    call.position = position;
    call.slot = slot;
    this.#lastToken = this.#calls.add(call);
    return this.#lastToken;
  }

  /** Resolves when every call that is under way now has been answered. */
  whenAnswered(): Promise<void> {
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#fences.push({ token: this.#lastToken, left: this.count, resolve });
    });
  }

  protected find(token: number): PendingCall {
    const call = this.#calls.find(token);
    if (call === undefined) throw new Error(`request ${token} was answered twice by the engine`);
    return call;
  }

  protected answer(call: PendingCall, token: number, reply: ReplicaReply): void {
    const { sink, position } = call;
    call.sink = null;
    this.#calls.free(token);
    if (this.#fences.length > 0) this.#countDown(token);
    sink?.onReply(position, reply);
  }

  #countDown(token: number): void {
    for (const fence of this.#fences) {
      // Tokens count up, and begin again at zero. None is under way while half of them are given out.
      if (((fence.token - token) & MAX_TAG) <= HALF_OF_TAGS && --fence.left === 0) fence.resolve();
    }
    this.#fences = this.#fences.filter(({ left }) => left > 0);
  }
}

export class PendingReads extends PendingCalls implements ReadSink {
  readonly #reply: ReadReply;

  constructor(reply: ReadReply) {
    super();
    this.#reply = reply;
  }

  /**
   * Returns the token with which the engine answers.
   * @param slot handed on to the reply: in which slot the key is, or `SlotAtStart`
   */
  add(sink: ReplySink, position: number, slot: number): number {
    return this.addCall(sink, position, slot);
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    const call = this.find(token);
    this.answer(call, token, this.#reply(record, error, call.slot));
  }
}

export class PendingWrites extends PendingCalls implements WriteSink {
  readonly #reply: WriteReply;

  constructor(reply: WriteReply) {
    super();
    this.#reply = reply;
  }

  /** Returns the token with which the engine answers. */
  add(sink: ReplySink, position: number): number {
    return this.addCall(sink, position, 0);
  }

  onWrite(
    token: number,
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): void {
    this.answer(this.find(token), token, this.#reply(status, metTimestamp, metWriter, error));
  }
}
