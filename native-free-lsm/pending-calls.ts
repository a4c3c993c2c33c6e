import { LsmError } from './errors.ts';
import { type ReadSink, type WriteSink, WriteStatus } from './store/sinks.ts';

interface PendingCall<Result> {
  readonly resolve: (value: Result) => void;
  readonly reject: (error: Error) => void;
}

/** Turns a record that was read into the result of the call. */
export type ResultOf<Result> = (record: Uint8Array | null) => Result;

/**
 * The promises behind the sinks. Many calls are answered before they return: those need no place in the table and get a
 * promise that is already settled.
 */
export class PendingCalls<Result> implements ReadSink, WriteSink {
  readonly #resultOf: ResultOf<Result>;
  readonly #calls = new Map<number, PendingCall<Result>>();
  #nextToken = 0;
  /** The token of the call that is being made; -1 once it is answered. */
  #starting = -1;
  #record: Uint8Array | null = null;
  #error: Error | null = null;

  constructor(resultOf: ResultOf<Result>) {
    this.#resultOf = resultOf;
  }

  /** A token for the call that is made next, before anything else; `result` then gives its promise. */
  begin(): number {
    this.#starting = this.#nextToken++;
    return this.#starting;
  }

  result(token: number): Promise<Result> {
    if (this.#starting === token) {
      this.#starting = -1;
      return new Promise((resolve, reject) => {
        this.#calls.set(token, { resolve, reject });
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
    const call = this.#calls.get(token) as PendingCall<Result>;
    this.#calls.delete(token);
    if (error === null) call.resolve(this.#resultOf(record));
    else call.reject(error);
  }
}
