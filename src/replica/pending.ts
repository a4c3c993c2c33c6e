/**
 * Requests under way in the engine, without an object for each: a request is a slot in parallel arrays, its number
 * the engine's token. A slot is free again before its sink is called, because the sink may start the next request.
 */

import type { ReadSink, WriteSink, WriteStatus } from '../../native-free-lsm/index.ts';
import type { ReplicaReply, ReplySink } from '../reply.ts';

class Slots {
  readonly #sinks: (ReplySink | null)[] = [];
  readonly #positions: number[] = [];
  readonly #free: number[] = [];

  take(sink: ReplySink, position: number): number {
    const slot = this.#free.pop() ?? this.#sinks.length;
    this.#sinks[slot] = sink;
    this.#positions[slot] = position;
    return slot;
  }

  answer(slot: number, reply: ReplicaReply): void {
    const sink = this.#sinks[slot];
    if (sink === null) throw new Error(`request ${slot} was answered twice by the engine`);
    this.#sinks[slot] = null;
    this.#free.push(slot);
    sink.onReply(this.#positions[slot], reply);
  }

  get count(): number {
    return this.#sinks.length - this.#free.length;
  }
}

export type ReadReply = (record: Uint8Array | null, error: Error | null) => ReplicaReply;
export type WriteReply = (
  status: WriteStatus,
  metTimestamp: number,
  metWriter: number,
  error: Error | null,
) => ReplicaReply;

export class PendingReads implements ReadSink {
  readonly #slots = new Slots();
  readonly #reply: ReadReply;

  constructor(reply: ReadReply) {
    this.#reply = reply;
  }

  take(sink: ReplySink, position: number): number {
    return this.#slots.take(sink, position);
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    this.#slots.answer(token, this.#reply(record, error));
  }

  get count(): number {
    return this.#slots.count;
  }
}

export class PendingWrites implements WriteSink {
  readonly #slots = new Slots();
  readonly #reply: WriteReply;

  constructor(reply: WriteReply) {
    this.#reply = reply;
  }

  take(sink: ReplySink, position: number): number {
    return this.#slots.take(sink, position);
  }

  onWrite(
    token: number,
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): void {
    this.#slots.answer(token, this.#reply(status, metTimestamp, metWriter, error));
  }

  get count(): number {
    return this.#slots.count;
  }
}
