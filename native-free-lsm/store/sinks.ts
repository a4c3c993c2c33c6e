/**
 * How a store answers its hot calls: one sink serves many requests, the token says which. A sink is called
 * exactly once per call, possibly before the call returns. It may call the store again. What it throws is thrown anew
 * in a microtask of its own, as that of a listener is: whoever calls a sink has other requests in hand.
 */
export const WriteStatus = {
  /** Stored as durably as the options say. */
  applied: 0,
  /** Dropped: the same or a newer version is there. */
  stale: 1,
  failed: 2,
} as const;
export type WriteStatus = (typeof WriteStatus)[keyof typeof WriteStatus];

export interface WriteSink {
  /**
   * @param metTimestamp of the version the write met; 0 when it met none or did not have to look
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

export interface ReadSink {
  /** @param record header and value in memory of its own; null when there is none, or `error` is set */
  onRead(token: number, record: Uint8Array | null, error: Error | null): void;
}

/** A key and its record (header and value, see format/record.ts). */
export interface KeyedRecord {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
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
