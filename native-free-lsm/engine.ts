import { LsmError } from './errors.ts';
import { encodeRecord, isTombstone, recordExpiryMs, recordValueStart } from './format/record.ts';
import { type ReadSink, type WriteSink, WriteStatus } from './main/sinks.ts';
import type { EngineStats } from './main/stats.ts';
import { type Environment, RecordStore } from './main/store.ts';
import type { StoreSnapshot } from './main/store-snapshot.ts';
import type { EngineOptions } from './options.ts';
import { VersionSource } from './version-source.ts';

const PAGE_BYTES = 128 * 1024;
const PAGE_ENTRIES = 4096;
const READS_AT_ONCE = 512;

export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export type BatchOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

export interface RangeOptions {
  /** Inclusive; left out: from the first key. */
  readonly start?: Uint8Array;
  /** Exclusive; left out: to the last key. */
  readonly end?: Uint8Array;
  /** Left out: each page shows the newest state at the moment it is read. */
  readonly snapshot?: Snapshot;
  readonly signal?: AbortSignal;
}

/** A consistent picture of one moment. Dispose of it when done: it holds memory. */
export type Snapshot = StoreSnapshot;

/**
 * An ordered key-value store in one directory: `put`, `get` and friends over a RecordStore, which has the
 * calls without promises. Versions are given by the engine itself, in the order of the calls.
 *
 * Every method rejects with an LsmError: OVERLOADED, NO_SPACE, POISONED, CORRUPTION, IO_ERROR, CLOSED,
 * INVALID_ARGUMENT.
 */
export class Engine {
  /** The store beneath, for callers with versions of their own and no time for promises. */
  readonly store: RecordStore;
  readonly #versions: VersionSource;
  readonly #pending = new PendingCalls();

  private constructor(store: RecordStore, versions: VersionSource) {
    this.store = store;
    this.#versions = versions;
  }

  /** Opens `directory`, making it if need be, and recovers what it holds. See RecordStore.open for errors. */
  static async open(
    directory: string,
    options: Partial<EngineOptions> = {},
    environment: Partial<Environment> = {},
  ): Promise<Engine> {
    const store = RecordStore.open(directory, options, environment);
    return new Engine(store, new VersionSource(store.newestTimestamp, environment.clock));
  }

  async get(key: Uint8Array, snapshot?: Snapshot): Promise<Uint8Array | undefined> {
    const record = await this.#pending.read((sink, token) => {
      if (snapshot === undefined) this.store.read(key, sink, token);
      else this.store.readAt(snapshot, key, sink, token);
    });
    return record === null ? undefined : this.#valueOf(record);
  }

  /** Values in the order of `keys`; undefined for those that are not there. */
  async getMany(keys: readonly Uint8Array[], snapshot?: Snapshot): Promise<(Uint8Array | undefined)[]> {
    const values: (Uint8Array | undefined)[] = [];
    // All at once could be more than the queues of the disk take.
    for (let next = 0; next < keys.length; next += READS_AT_ONCE) {
      const some = keys.slice(next, next + READS_AT_ONCE);
      values.push(...(await Promise.all(some.map((key) => this.get(key, snapshot)))));
    }
    return values;
  }

  /** Resolves once the value is as durable as the options say. */
  put(key: Uint8Array, value: Uint8Array): Promise<void> {
    const record = encodeRecord(this.#fields(false), value);
    return this.#pending.write((sink, token) => this.store.write(key, record, sink, token));
  }

  delete(key: Uint8Array): Promise<void> {
    const record = encodeRecord(this.#fields(true), NO_VALUE);
    return this.#pending.write((sink, token) => this.store.write(key, record, sink, token));
  }

  /** All or nothing, seen together or not at all; later operations on a key win over earlier ones. */
  write(operations: readonly BatchOperation[]): Promise<void> {
    const puts = operations.map((operation) => ({
      key: operation.key,
      record: encodeRecord(
        this.#fields(operation.type === 'delete'),
        operation.type === 'put' ? operation.value : NO_VALUE,
      ),
    }));
    return this.#pending.write((sink, token) => this.store.writeBatch(puts, sink, token));
  }

  /**
   * Entries in key order, read a page at a time as the loop asks for them. Keys and values are views of a page's
   * memory, 128 KiB: copy what is to be kept for long.
   */
  async *range(options: RangeOptions = {}): AsyncGenerator<Entry, void, void> {
    let start = options.start ?? NO_VALUE;
    let startExclusive = false;
    for (;;) {
      options.signal?.throwIfAborted();
      const page = await this.store.rangePage(
        {
          start,
          startExclusive,
          end: options.end ?? null,
          maxBytes: PAGE_BYTES,
          maxEntries: PAGE_ENTRIES,
          includeTombstones: false,
        },
        options.snapshot,
      );
      const { bytes } = page;
      while (page.next()) {
        if (!this.#isLive(bytes, page.recordStart)) continue;
        const key = bytes.subarray(page.keyStart, page.keyEnd);
        yield { key, value: bytes.subarray(recordValueStart(bytes, page.recordStart), page.recordEnd) };
      }
      if (page.done || page.resumeAfter === null) return;
      start = page.resumeAfter;
      startExclusive = true;
    }
  }

  snapshot(): Snapshot {
    return this.store.snapshot();
  }

  flush(): Promise<void> {
    return this.store.flush();
  }

  compact(): Promise<void> {
    return this.store.compact();
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

  #valueOf(record: Uint8Array): Uint8Array | undefined {
    return this.#isLive(record, 0) ? record.subarray(recordValueStart(record, 0)) : undefined;
  }

  #isLive(bytes: Uint8Array, recordStart: number): boolean {
    if (isTombstone(bytes, recordStart)) return false;
    const expiryMs = recordExpiryMs(bytes, recordStart);
    return expiryMs === 0 || expiryMs > this.#versions.nowMs();
  }
}

const NO_VALUE = new Uint8Array(0);

interface PendingCall {
  readonly resolve: (record: Uint8Array | null) => void;
  readonly reject: (error: Error) => void;
}

/** The promises behind the sinks. */
class PendingCalls implements ReadSink, WriteSink {
  readonly #calls = new Map<number, PendingCall>();
  #nextToken = 0;

  read(start: (sink: ReadSink, token: number) => void): Promise<Uint8Array | null> {
    return new Promise((resolve, reject) => {
      const token = this.#nextToken++;
      this.#calls.set(token, { resolve, reject });
      start(this, token);
    });
  }

  async write(start: (sink: WriteSink, token: number) => void): Promise<void> {
    await new Promise<Uint8Array | null>((resolve, reject) => {
      const token = this.#nextToken++;
      this.#calls.set(token, { resolve, reject });
      start(this, token);
    });
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
    const failure =
      status === WriteStatus.failed ? (error ?? new LsmError('IO_ERROR', 'the write failed')) : null;
    this.#settle(token, null, failure);
  }

  #settle(token: number, record: Uint8Array | null, error: Error | null): void {
    const call = this.#calls.get(token) as PendingCall;
    this.#calls.delete(token);
    if (error === null) call.resolve(record);
    else call.reject(error);
  }
}
