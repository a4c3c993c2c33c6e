import { arrayFault, bytesFault, elementsFault } from './arguments.ts';
import { type GivenBytes, toBytes } from './format/given-bytes.ts';
import { isVisible, recordExpiryMs, recordTimestamp, recordValueStart } from './format/record.ts';
import { ManyReads } from './many-reads.ts';
import { PendingCalls, type ResultOf } from './pending-calls.ts';
import { type RangeOptions, RangeScan } from './range-scan.ts';
import type { ReadableStore } from './store/readable-store.ts';
import type { StoreSnapshot } from './store/store-snapshot.ts';

/** A consistent view of one moment. Dispose of it when you are done, because it holds memory. */
export type Snapshot = StoreSnapshot;

/** A value with what the engine knows of it. */
export interface VersionedValue {
  readonly value: Uint8Array;
  /** Each write gives its key a higher one: what conditional writes compare. */
  readonly version: number;
  /** When the value ends, in ms since the Unix epoch; undefined: it does not. */
  readonly expiryMs: number | undefined;
}

/** The reads with promises, over a store that is written here or by another process. */
export class ReadableEngine {
  readonly #store: ReadableStore;
  readonly #nowMs: () => number;
  /** What clients see of a record: undefined for a deletion, or for what has expired. */
  readonly #valueOf: ResultOf<Uint8Array | undefined> = (record) =>
    record !== null && isVisible(record, 0, this.#nowMs)
      ? record.subarray(recordValueStart(record, 0))
      : undefined;
  readonly #pending = new PendingCalls(this.#valueOf);
  readonly #pendingVersioned = new PendingCalls<VersionedValue | undefined>((record) => {
    const value = this.#valueOf(record);
    if (record === null || value === undefined) return undefined;
    return { value, version: recordTimestamp(record, 0), expiryMs: recordExpiryMs(record, 0) || undefined };
  });

  /** @param nowMs what values expire by */
  constructor(store: ReadableStore, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  /**
   * The value of a key, in memory of its own; undefined when there is none, or when it was deleted or has ended.
   * @param snapshot left out: the newest state
   * @throws LsmError OVERLOADED when too many reads wait, SNAPSHOT_EXPIRED, CORRUPTION, IO_ERROR, CLOSED, INVALID_ARGUMENT
   */
  get(key: GivenBytes, snapshot?: Snapshot): Promise<Uint8Array | undefined> {
    // The store checks the arguments, here and in `getMany`.
    const token = this.#pending.begin();
    if (snapshot === undefined) this.#store.read(toBytes(key), this.#pending, token);
    else this.#store.readAt(snapshot, toBytes(key), this.#pending, token);
    return this.#pending.result(token);
  }

  /** Like `get`, with the version of the value and its end. */
  getVersioned(key: GivenBytes, snapshot?: Snapshot): Promise<VersionedValue | undefined> {
    const token = this.#pendingVersioned.begin();
    if (snapshot === undefined) this.#store.read(toBytes(key), this.#pendingVersioned, token);
    else this.#store.readAt(snapshot, toBytes(key), this.#pendingVersioned, token);
    return this.#pendingVersioned.result(token);
  }

  /**
   * Like `get`, but at once. What memory does not hold is read on the calling thread, which does nothing else meanwhile:
   * for programs that have nothing else to do, and for data that is in memory.
   * @throws LsmError INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CLOSED, CORRUPTION, IO_ERROR
   */
  getSync(key: GivenBytes, snapshot?: Snapshot): Uint8Array | undefined {
    return this.#store.valueSync(toBytes(key), snapshot, this.#nowMs);
  }

  /** Values in the order of `keys`; undefined for keys that are not there. */
  getMany(keys: readonly GivenBytes[], snapshot?: Snapshot): Promise<(Uint8Array | undefined)[]> {
    const notAnArray = arrayFault('keys', keys);
    if (notAnArray !== undefined) return Promise.reject(notAnArray);
    const ofBytes = allToBytes(keys);
    const fault = elementsFault('keys', ofBytes, bytesFault);
    if (fault !== undefined) return Promise.reject(fault);
    return new ManyReads(this.#store, ofBytes, snapshot, this.#nowMs).run();
  }

  /**
   * Entries in key order, or against it, read page by page as the loop asks for them. Keys and values are views of a
   * page's memory of up to 128 KiB: copy what you keep for long. An aborted signal ends the loop at once, even while a
   * page is being read.
   * @throws LsmError INVALID_ARGUMENT
   */
  range(options: RangeOptions = {}): RangeScan {
    return new RangeScan(this.#store, options, this.#nowMs);
  }

  /**
   * A view of this moment to read from, as long as you hold it: dispose of it when you are done. It sees the writes that had
   * been answered, and none that came later.
   * @throws LsmError CLOSED
   */
  snapshot(): Snapshot {
    return this.#store.snapshot();
  }
}

/** The array itself when it has no strings, as most have none. */
function allToBytes(keys: readonly GivenBytes[]): readonly Uint8Array[] {
  for (let i = 0; i < keys.length; i++) if (typeof keys[i] === 'string') return keys.map(toBytes);
  return keys as readonly Uint8Array[];
}
