import { CallTable } from './call-table.ts';
import { LsmError } from './errors.ts';
import { type ReadSink, type WriteSink, WriteStatus } from './store/sinks.ts';

/** It is used again for another call. */
interface PendingCall<Result> {
  resolve: (value: Result) => void;
  reject: (error: Error) => void;
}

/** Turns a record that was read into the result of the call. */
export type ResultOf<Result> = (record: Uint8Array | null) => Result;

/**
 * The promises behind the sinks. Many calls are answered before they return: those need no place in the table and get a
 * promise that is already settled.
 *
 * (The table is no Map: one that is filled and emptied all the time makes a new table of its own now and then, and each
 * of these keeps the next one and all that is in it from a collection of young garbage. What 200,000 gets had left
 * behind was 50 MiB.)
 */
export class PendingCalls<Result> implements ReadSink, WriteSink {
  readonly #resultOf: ResultOf<Result>;
  readonly #calls = new CallTable<PendingCall<Result>>();
  /** The token of the call that is being made; -1 once it is answered. */
  #starting = -1;
  #record: Uint8Array | null = null;
  #error: Error | null = null;

  constructor(resultOf: ResultOf<Result>) {
    this.#resultOf = resultOf;
  }

  /** A token for the call that is made next, before anything else; `result` then gives its promise. */
  begin(): number {
    this.#starting = this.#calls.nextTag;
    return this.#starting;
  }

  result(token: number): Promise<Result> {
    if (this.#starting === token) {
      this.#starting = -1;
      return new Promise((resolve, reject) => {
        const call = this.#calls.reuse() ?? { resolve, reject };
        call.resolve = resolve;
        call.reject = reject;
        this.#calls.add(call);
      });
    }
    const error = this.#error;
    this.#error = null;
    if (error !== null) return Promise.reject(error);
    const value = this.#resultOf(this.#record);
    this.#record = null;
    return Promise.resolve(value);
  }

  onRead(token: number, record: Uint8Array | null, error: Error | null): void {
    this.#settle(token, record, error);
  }

  onWrite(
    token: number,
    status: WriteStatus,
    _timestamp: number,
    _writer: number,
    error: Error | null,
  ): void {
    const failed = status === WriteStatus.failed;
    this.#settle(token, null, failed ? (error ?? new LsmError('IO_ERROR', 'the write failed')) : null);
  }

  #settle(token: number, record: Uint8Array | null, error: Error | null): void {
    if (token === this.#starting) {
      this.#starting = -1;
      this.#record = record;
      this.#error = error;
      return;
    }
    const call = this.#calls.find(token) as PendingCall<Result>;
    const { reject, resolve } = call;
    call.resolve = nothing;
    call.reject = nothing;
    this.#calls.free(token);
    if (error === null) resolve(this.#resultOf(record));
    else reject(error);
  }
}

/** Stands for a call that is over. */
function nothing(): void {}
