/**
 * How a store answers reads and writes: one sink serves many requests, and the token says which one. A sink is called
 * exactly once per call, possibly before the call returns. It may call the store again. An error that it throws is
 * thrown again in a microtask of its own, as that of an event listener is, because the caller of a sink has other
 * requests to answer.
 */
export const WriteStatus = {
  /** The record is stored, as durably as the options say. */
  applied: 0,
  /** The record was dropped: the store has the same version or a newer one. */
  stale: 1,
  failed: 2,
  /** A condition was not met, so nothing was stored. */
  unmet: 3,
} as const;
export type WriteStatus = (typeof WriteStatus)[keyof typeof WriteStatus];

/**
 * Takes the answers of writes. It is called once for each call, possibly before the call returns, with the token that the
 * call was made with, and may call the store again.
 */
export interface WriteSink {
  /**
   * @param metTimestamp of the version that the write met; 0 when it met none, or did not have to look
   *   when a condition was not met, the timestamp of its key's value, 0 for none, and its number in place of a writer
   * @param error set when `status` is failed
   */
  onWrite(
    token: number,
    status: WriteStatus,
    metTimestamp: number,
    metWriter: number,
    error: Error | null,
  ): void;
}

/** Takes the answers of reads; see WriteSink for what is promised to it. */
export interface ReadSink {
  /** @param record header and value in memory of its own; null when there is none, or `error` is set */
  onRead(token: number, record: Uint8Array | null, error: Error | null): void;
}

/** Takes records where they lie, as far as that can be; what it does with them may not throw. */
export interface InPlaceSink extends ReadSink {
  /** In place of `onRead`: the record is `bytes[start, end)` until this returns. */
  onRecord(token: number, bytes: Uint8Array, start: number, end: number): void;
}

/** What a key must have for a write to be stored. */
export interface KeyCondition {
  readonly key: Uint8Array;
  /** That of its value; 0: it must have none. */
  readonly timestamp: number;
  /** In whole ms: a value that has expired by then is none. */
  readonly nowMs: number;
}

/** A key and its record (header and value, see format/record.ts). */
export interface KeyedRecord {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
  /** Of a batch: it deletes a range, which begins at the key; the record is a `rangeRecord`. */
  readonly isRange?: boolean;
}

/** Puts that can be encoded where they are to lie, without a record for each in between. */
export interface DirectBatch {
  /** The size of the batch as an operation, see log/write-operation.ts. */
  readonly operationBytes: number;
  /** The most bytes of a memtable that it takes. */
  readonly memtableBytes: number;
  /** The size of its largest put, with the fixed bytes of one. */
  readonly largestPutBytes: number;
  /** Writes the operation at `at`; returns false when it is not what the sizes were taken of. */
  encode(target: Uint8Array, at: number): boolean;
  /** The same with a record for each. */
  puts(): readonly KeyedRecord[];
}

export function answerRead(
  sink: ReadSink,
  token: number,
  record: Uint8Array | null,
  error: Error | null,
): void {
  try {
    sink.onRead(token, record, error);
  } catch (thrown) {
    throwAlone(thrown);
  }
}

export function answerWrite(
  sink: WriteSink,
  token: number,
  status: WriteStatus,
  metTimestamp: number,
  metWriter: number,
  error: Error | null,
): void {
  try {
    sink.onWrite(token, status, metTimestamp, metWriter, error);
  } catch (thrown) {
    throwAlone(thrown);
  }
}

function throwAlone(thrown: unknown): void {
  queueMicrotask(() => {
    throw thrown;
  });
}
