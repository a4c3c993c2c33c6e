import { bytesFault, hasFields, keyFault, refuse } from './arguments.ts';
import { onlyBoundsFault } from './bounds-fault.ts';
import { clearRange, writeWithClears } from './clear-range.ts';
import { type EngineClock, systemEngineClock } from './clock.ts';
import { conditionalWrite, lastOfEachKey } from './conditional-write.ts';
import { type GivenBytes, toBytes } from './format/given-bytes.ts';
import { encodeRecord } from './format/record.ts';
import { type KeyBounds, keyRange } from './iterator/key-range.ts';
import { OperationBatch } from './operation-batch.ts';
import type { EngineOptions } from './options.ts';
import { PacedAnswers } from './paced-answers.ts';
import { PendingCalls } from './pending-calls.ts';
import { ReadableEngine } from './readable-engine.ts';
import { SinglePut } from './single-put.ts';
import type { Environment } from './store/environment.ts';
import type { EngineStats } from './store/stats.ts';
import { RecordStore } from './store/store.ts';
import { CLOSED } from './store/wire-store.ts';
import { VersionSource } from './version-source.ts';
import { WriteBacklog } from './write-backlog.ts';
import {
  type BatchOperation,
  type ConditionalResult,
  conditionalOperationsFault,
  conditionsFault,
  endOfLifeMs,
  isOfKeys,
  type KeyOperation,
  operationsFault,
  operationsInBytes,
  type PutOptions,
  putOptionsFault,
  versionFault,
  type WriteCondition,
  type WriteOptions,
  writeOptionsFault,
} from './write-requests.ts';

/** Batches of so many operations are answered one in a turn of the event loop. */
const PACED_OPERATIONS = 256;

/**
 * An ordered key-value store in one directory: `put`, `get` and others over a RecordStore, which has the calls without
 * promises. The engine gives versions itself, in the order of the calls.
 *
 * Every method rejects with an LsmError: OVERLOADED, NO_SPACE, POISONED, CORRUPTION, IO_ERROR, CLOSED,
 * INVALID_ARGUMENT. Those that give no promise throw it.
 */
export class Engine extends ReadableEngine {
  /** The store underneath, for callers that bring their own versions and cannot afford promises. */
  readonly store: RecordStore;
  readonly #versions: VersionSource;
  readonly #writes = new PendingCalls(() => undefined);
  /** Of batches that take a while to make. */
  readonly #paced: PacedAnswers;
  readonly #backlog: WriteBacklog;
  readonly #singlePut = new SinglePut();

  private constructor(store: RecordStore, versions: VersionSource, clock: EngineClock = systemEngineClock) {
    super(store, store.expiryNowMs);
    this.#paced = new PacedAnswers(this.#writes, clock);
    this.store = store;
    this.#versions = versions;
    this.#backlog = new WriteBacklog(store, store.options.whenFull === 'wait');
  }

  /**
   * Opens `directory`, making it if necessary, and recovers what it holds. See RecordStore.open for errors.
   * @param options `whenFull` is `wait` if it is left out
   */
  static async open(
    directory: string,
    options: Partial<EngineOptions> = {},
    environment: Partial<Environment> = {},
  ): Promise<Engine> {
    const store = RecordStore.open(directory, waiting(options), environment);
    return new Engine(store, new VersionSource(store.newestTimestamp, environment.clock), environment.clock);
  }

  /**
   * Resolves once the value is as durable as `durability` says, or, with `sync`, on the disk. A value with a `ttlMs` is
   * absent from the moment that the clock of this engine shows its end.
   */
  put(key: GivenBytes, value: GivenBytes, options?: PutOptions): Promise<void> {
    const keyBytes = toBytes(key);
    const valueBytes = toBytes(value);
    const fault =
      keyFault('key', keyBytes) ??
      bytesFault('value', valueBytes) ??
      (options === undefined ? undefined : putOptionsFault(options));
    if (fault !== undefined) return Promise.reject(fault);
    const timestamp = this.#versions.next();
    const expiryMs = this.#expiryOf(options?.ttlMs);
    if (!this.#backlog.isNeeded) return this.#put(keyBytes, valueBytes, timestamp, expiryMs, options?.sync);
    return this.#backlog.wait(() => this.#put(keyBytes, valueBytes, timestamp, expiryMs, options?.sync));
  }

  /** Deletes a key, whether it is there or not; resolves as `put` does. */
  delete(key: GivenBytes, options?: WriteOptions): Promise<void> {
    const fault = options === undefined ? undefined : writeOptionsFault(options);
    if (fault !== undefined) return Promise.reject(fault);
    const record = encodeRecord({ ...TOMBSTONE, timestamp: this.#versions.next() }, NO_VALUE);
    const bytes = toBytes(key);
    if (!this.#backlog.isNeeded) return this.#write(bytes, record, options?.sync);
    return this.#backlog.wait(() => this.#write(bytes, record, options?.sync));
  }

  /**
   * Deletes all keys of a range that were written before the call. It is one record in the log, however many keys there
   * are, and reads pass over them at once; compactions give the room back.
   */
  async clear(range: KeyBounds = {}, options: WriteOptions = NO_OPTIONS): Promise<void> {
    refuse(onlyBoundsFault('range', range) ?? writeOptionsFault(options));
    const keys = keyRange(range);
    const timestamp = this.#versions.next();
    const clear = (): Promise<void> =>
      clearRange(this.store, keys, timestamp, this.#versions, options.sync ?? false);
    await (this.#backlog.isNeeded ? this.#backlog.wait(clear) : clear());
  }

  /**
   * All operations or none, visible together; a later operation on a key wins over an earlier one. A `clear` among them
   * deletes all keys of a range that were written before the call, or by operations before it.
   */
  write(given: readonly BatchOperation[], options?: WriteOptions): Promise<void> {
    const operations = operationsInBytes(given);
    const fault =
      operationsFault(operations) ?? (options === undefined ? undefined : writeOptionsFault(options));
    if (fault !== undefined) return Promise.reject(fault);
    // Drawn now, as it is the time of the call that decides.
    const first = this.#versions.take(operations.length);
    const nowMs = this.store.expiryNowMs();
    const ofKeys = isOfKeys(operations) ? operations : undefined;
    const write = (): Promise<void> => {
      if (ofKeys === undefined)
        return writeWithClears(this.store, operations, first, nowMs, this.#versions, options?.sync ?? false);
      const batch = new OperationBatch(ofKeys, first, nowMs);
      const token = this.#writes.begin();
      const sink = operations.length < PACED_OPERATIONS ? this.#writes : this.#paced;
      this.store.writeDirectly(batch, sink, token, options?.sync);
      return this.#writes.result(token) as Promise<void>;
    };
    return this.#backlog.isNeeded ? this.#backlog.wait(write) : write();
  }

  /**
   * Puts a value if the key has just this version, or, with null, none; an expired one is none. No other write comes
   * between the look and the put, whoever makes it. What became of it is the result: not applied is no error.
   */
  putIf(
    key: GivenBytes,
    value: GivenBytes,
    version: number | null,
    options: PutOptions = NO_OPTIONS,
  ): Promise<ConditionalResult> {
    const fault = versionFault('version', version) ?? putOptionsFault(options);
    if (fault !== undefined) return Promise.reject(fault);
    const { ttlMs, sync = false } = options;
    const put = { type: 'put', key, value, ...(ttlMs !== undefined && { ttlMs }) } as const;
    return this.writeIf([{ key, version }], [put], { sync });
  }

  /** Deletes a key if it has just this version, as `putIf` puts one. */
  deleteIf(key: GivenBytes, version: number, options: WriteOptions = NO_OPTIONS): Promise<ConditionalResult> {
    return this.writeIf([{ key, version }], [{ type: 'delete', key }], options);
  }

  /** Like `write`, if all conditions are met, on these or any other keys: all operations or none. */
  writeIf(
    conditions: readonly WriteCondition[],
    operations: readonly KeyOperation[],
    options: WriteOptions = NO_OPTIONS,
  ): Promise<ConditionalResult> {
    const ofBytes = operationsInBytes(operations);
    const fault =
      conditionsFault(conditions) ?? conditionalOperationsFault(ofBytes) ?? writeOptionsFault(options);
    if (fault !== undefined) return Promise.reject(fault);
    const timestamp = this.#versions.next();
    const nowMs = this.store.expiryNowMs();
    const write = (): Promise<ConditionalResult> => {
      const asked = conditions.map(({ key, version }) => ({
        key: toBytes(key),
        timestamp: version ?? 0,
        nowMs: Math.floor(nowMs),
      }));
      const batch = new OperationBatch(lastOfEachKey(ofBytes), timestamp, nowMs, 0);
      return conditionalWrite(this.store, asked, batch.puts(), timestamp, options.sync ?? false);
    };
    return this.#backlog.isNeeded ? this.#backlog.wait(write) : write();
  }

  /**
   * Resolves when everything written before is in tables; rejects when a flush fails, though the flush is tried again.
   * @throws LsmError NO_SPACE, READ_ONLY, IO_ERROR, POISONED, CLOSED
   */
  flush(): Promise<void> {
    return this.#afterWrites(() => this.store.flush());
  }

  /**
   * Resolves when every write that had been answered before the call is on the disk, whatever `durability` says.
   * @throws LsmError POISONED, and whatever a write may fail with
   */
  sync(): Promise<void> {
    return this.store.sync();
  }

  /**
   * Flushes, and moves everything to the last level: what is outdated, deleted or has ended takes no room then. All of it
   * is rewritten, so it takes as long as that.
   * @throws LsmError NO_SPACE, READ_ONLY, IO_ERROR, POISONED, CLOSED
   */
  compact(): Promise<void> {
    return this.#afterWrites(() => this.store.compact());
  }

  /**
   * A copy of everything written before, in a directory that is missing or empty: open it as any other. Where both are
   * on one file system it takes no time and no room, as the tables are shared. Reads and writes go on meanwhile.
   */
  checkpoint(directory: string): Promise<void> {
    return this.#afterWrites(() => this.store.checkpoint(directory));
  }

  /** Figures of this moment, as plain data. */
  stats(): EngineStats {
    return this.store.stats();
  }

  /**
   * Resolves when everything accepted is written and synced, and all threads are gone. Writes that still wait for room, and
   * what is called afterwards, fail with CLOSED; so may reads, scans, flushes, compactions and checkpoints that are under way.
   * @throws LsmError POISONED when the last sync failed, or one before of which no call was told: with a `durability` below
   *   `sync`, what was acknowledged may be lost. The directory is unlocked in any case
   */
  close(): Promise<void> {
    this.#backlog.close(CLOSED);
    return this.store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Behind all writes that wait. */
  #afterWrites(call: () => Promise<void>): Promise<void> {
    return this.#backlog.isNeeded ? this.#backlog.wait(call) : call();
  }

  /** When the life of a value ends; 0: never. */
  #expiryOf(ttlMs: number | undefined): number {
    return ttlMs === undefined ? 0 : endOfLifeMs(ttlMs, this.store.expiryNowMs());
  }

  #put(
    key: Uint8Array,
    value: Uint8Array,
    timestamp: number,
    expiryMs: number,
    sync: boolean | undefined,
  ): Promise<void> {
    const put = this.#singlePut;
    const token = this.#writes.begin();
    put.set(key, value, timestamp, expiryMs);
    this.store.writeDirectly(put, this.#writes, token, sync);
    put.clear();
    return this.#writes.result(token) as Promise<void>;
  }

  #write(key: Uint8Array, record: Uint8Array, sync: boolean | undefined): Promise<void> {
    const token = this.#writes.begin();
    this.store.write(key, record, this.#writes, token, undefined, sync);
    // A write reads no record, so its result is undefined.
    return this.#writes.result(token) as Promise<void>;
  }
}

/** Writes wait for room where nobody has said that they should not. */
function waiting(options: Partial<EngineOptions>): Partial<EngineOptions> {
  // What is no such object is refused behind this, as it was given.
  return hasFields(options) ? { ...options, whenFull: options.whenFull ?? 'wait' } : options;
}

const NO_VALUE = new Uint8Array(0);
const NO_OPTIONS = {};
const TOMBSTONE = { writer: 0, tombstone: true, from: 1, expiryMs: 0 } as const;
