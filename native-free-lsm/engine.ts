import { arrayFault, bytesFault, describe, elementsFault, invalidArgument, keyFault } from './arguments.ts';
import type { LsmError } from './errors.ts';
import { encodeRecord } from './format/record.ts';
import type { EngineOptions } from './options.ts';
import { PendingCalls } from './pending-calls.ts';
import { ReadableEngine } from './readable-engine.ts';
import type { Environment } from './store/environment.ts';
import type { EngineStats } from './store/stats.ts';
import { RecordStore } from './store/store.ts';
import { VersionSource } from './version-source.ts';

export type BatchOperation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: Uint8Array };

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

  private constructor(store: RecordStore, versions: VersionSource) {
    super(store, () => versions.nowMs());
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
    const token = this.#writes.begin();
    this.store.writeBatch(puts, this.#writes, token);
    return this.#writes.result(token) as Promise<void>;
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
    const token = this.#writes.begin();
    this.store.write(key, record, this.#writes, token);
    // A write reads no record, so its result is undefined.
    return this.#writes.result(token) as Promise<void>;
  }
}

const NO_VALUE = new Uint8Array(0);

function operationFault(name: string, operation: unknown): LsmError | undefined {
  if (typeof operation !== 'object' || operation === null)
    return invalidArgument(`${name} must be an object with a type and a key, not ${describe(operation)}`);
  const { type, key, value } = operation as Partial<Record<'type' | 'key' | 'value', unknown>>;
  if (type !== 'put' && type !== 'delete')
    return invalidArgument(`${name}.type must be 'put' or 'delete', not ${describe(type)}`);
  return keyFault(`${name}.key`, key) ?? (type === 'put' ? bytesFault(`${name}.value`, value) : undefined);
}
