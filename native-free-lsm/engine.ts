import { arrayFault, bytesFault, describe, invalidArgument, keyFault } from './arguments.ts';
import type { LsmError } from './errors.ts';
import { encodeRecord, isLive, recordValueStart } from './format/record.ts';
import type { EngineOptions } from './options.ts';
import { ManyReads, PendingCalls, type ValueOf } from './pending-calls.ts';
import { type RangeOptions, RangeScan } from './range-scan.ts';
import type { Environment } from './store/environment.ts';
import type { EngineStats } from './store/stats.ts';
import { RecordStore } from './store/store.ts';
import type { StoreSnapshot } from './store/store-snapshot.ts';
import { VersionSource } from './version-source.ts';

export type BatchOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

/** A consistent view of one moment. Dispose of it when you are done, because it holds memory. */
export type Snapshot = StoreSnapshot;

/**
 * An ordered key-value store in one directory: `put`, `get` and others over a RecordStore, which has the calls without
 * promises. The engine gives versions itself, in the order of the calls.
 *
 * Every method rejects with an LsmError: OVERLOADED, NO_SPACE, POISONED, CORRUPTION, IO_ERROR, CLOSED,
 * INVALID_ARGUMENT. Those that give no promise throw it.
 */
export class Engine {
  /** The store underneath, for callers that bring their own versions and cannot afford promises. */
  readonly store: RecordStore;
  readonly #versions: VersionSource;
  /** What clients see of a record: undefined for a deletion, or for what has expired. */
  readonly #valueOf: ValueOf = (record) =>
    record !== null && isLive(record, 0, this.#versions.nowMs())
      ? record.subarray(recordValueStart(record, 0))
      : undefined;
  readonly #pending = new PendingCalls(this.#valueOf);
  readonly #nowMs = (): number => this.#versions.nowMs();

  private constructor(store: RecordStore, versions: VersionSource) {
    this.store = store;
    this.#versions = versions;
  }

  /** Opens `directory`, making it if necessary, and recovers what it holds. See RecordStore.open for errors. */
  static async open(
    directory: string,
    options: Partial<EngineOptions> = {},
    environment: Partial<Environment> = {},
  ): Promise<Engine> {
    const store = RecordStore.open(directory, options, environment);
    return new Engine(store, new VersionSource(store.newestTimestamp, environment.clock));
  }

  get(key: Uint8Array, snapshot?: Snapshot): Promise<Uint8Array | undefined> {
    // The store checks the arguments, here and in `getMany`.
    const token = this.#pending.begin();
    if (snapshot === undefined) this.store.read(key, this.#pending, token);
    else this.store.readAt(snapshot, key, this.#pending, token);
    return this.#pending.result(token);
  }

  /**
   * Like `get`, but at once. What memory does not hold is read on the calling thread, which does nothing else meanwhile:
   * for programs that have nothing else to do, and for data that is in memory.
   * @throws LsmError INVALID_ARGUMENT, SNAPSHOT_EXPIRED, CLOSED, CORRUPTION, IO_ERROR
   */
  getSync(key: Uint8Array, snapshot?: Snapshot): Uint8Array | undefined {
    return this.#valueOf(this.store.readSync(key, snapshot));
  }

  /** Values in the order of `keys`; undefined for keys that are not there. */
  getMany(keys: readonly Uint8Array[], snapshot?: Snapshot): Promise<(Uint8Array | undefined)[]> {
    const fault = arrayFault('keys', keys) ?? elementsFault('keys', keys, bytesFault);
    if (fault !== undefined) return Promise.reject(fault);
    return new ManyReads(keys.length, this.#valueOf, (sink, index) => {
      if (snapshot === undefined) this.store.read(keys[index], sink, index);
      else this.store.readAt(snapshot, keys[index], sink, index);
    }).run();
  }

  /** Resolves once the value is as durable as the options say. */
  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const fault = keyFault('key', key) ?? bytesFault('value', value);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#write(key, encodeRecord(this.#fields(false), value));
  }

  delete(key: Uint8Array): Promise<void> {
    return this.#write(key, encodeRecord(this.#fields(true), NO_VALUE));
  }

  /** All operations or none, visible together; a later operation on a key wins over an earlier one. */
  write(operations: readonly BatchOperation[]): Promise<void> {
    const fault =
      arrayFault('operations', operations) ?? elementsFault('operations', operations, operationFault);
    if (fault !== undefined) return Promise.reject(fault);
    const puts = operations.map((operation) => ({
      key: operation.key,
      record: encodeRecord(
        this.#fields(operation.type === 'delete'),
        operation.type === 'put' ? operation.value : NO_VALUE,
      ),
    }));
    const token = this.#pending.begin();
    this.store.writeBatch(puts, this.#pending, token);
    return this.#pending.result(token) as Promise<void>;
  }

  /**
   * Entries in key order, or against it, read page by page as the loop asks for them. Keys and values are views of a
   * page's memory of up to 128 KiB: copy what you keep for long. An aborted signal ends the loop at once, even while a
   * page is being read.
   * @throws LsmError INVALID_ARGUMENT
   */
  range(options: RangeOptions = {}): RangeScan {
    return new RangeScan(this.store, options, this.#nowMs);
  }

  snapshot(): Snapshot {
    return this.store.snapshot();
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  sync(): Promise<void> {
    return this.store.sync();
  }

  compact(): Promise<void> {
    return this.store.compact();
  }

  /**
   * A copy of everything written before, in a directory that is missing or empty: open it as any other. Where both are
   * on one file system it takes no time and no room, as the tables are shared. Reads and writes go on meanwhile.
   */
  checkpoint(directory: string): Promise<void> {
    return this.store.checkpoint(directory);
  }

  stats(): EngineStats {
    return this.store.stats();
  }

  close(): Promise<void> {
    return this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fields(tombstone: boolean) {
    return { timestamp: this.#versions.next(), writer: 0, tombstone, from: 0, expiryMs: 0 };
  }

  #write(key: Uint8Array, record: Uint8Array): Promise<void> {
    const token = this.#pending.begin();
    this.store.write(key, record, this.#pending, token);
    // A write reads no record, so its result is undefined.
    return this.#pending.result(token) as Promise<void>;
  }
}

const NO_VALUE = new Uint8Array(0);

/** The first fault among the elements of an array, named by its index. Names are made only for faulty elements. */
function elementsFault(
  name: string,
  elements: readonly unknown[],
  faultOf: (name: string, element: unknown) => LsmError | undefined,
): LsmError | undefined {
  for (let i = 0; i < elements.length; i++) {
    if (faultOf(name, elements[i]) !== undefined) return faultOf(`${name}[${i}]`, elements[i]);
  }
  return undefined;
}

function operationFault(name: string, operation: unknown): LsmError | undefined {
  if (typeof operation !== 'object' || operation === null)
    return invalidArgument(`${name} must be an object with a type and a key, not ${describe(operation)}`);
  const { type, key, value } = operation as Partial<Record<'type' | 'key' | 'value', unknown>>;
  if (type !== 'put' && type !== 'delete')
    return invalidArgument(`${name}.type must be 'put' or 'delete', not ${describe(type)}`);
  return keyFault(`${name}.key`, key) ?? (type === 'put' ? bytesFault(`${name}.value`, value) : undefined);
}
