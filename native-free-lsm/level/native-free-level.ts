import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AbstractDatabaseOptions,
  AbstractLevel,
  type AbstractOpenOptions,
  type Transcoder,
} from 'abstract-level';
import { refuse } from '../arguments.ts';
import { Engine } from '../engine.ts';
import { EngineReader } from '../engine-reader.ts';
import { LsmError } from '../errors.ts';
import type { EngineOptions } from '../options.ts';
import type { ReadableEngine, Snapshot } from '../readable-engine.ts';
import type { Environment } from '../store/environment.ts';
import type { ReadableStore } from '../store/readable-store.ts';
import type { ReaderOptions } from '../store/reader-options.ts';
import { CURRENT_FILE_NAME } from '../version/file-names.ts';
import { type BatchOperation, type PutOptions, ttlFault } from '../write-requests.ts';
import { existsError, invalidKeyError, levelError, missingError, notOpenError } from './level-error.ts';
import { boundsOf, LevelScan, type LevelScanOptions } from './level-scan.ts';
import { LevelSnapshot } from './level-snapshot.ts';

/** Deletions of a `clear` that are under way together; their keys may be long. */
const CLEARED_AT_ONCE = 256;

const MANIFEST = {
  encodings: { buffer: true },
  has: true,
  getSync: true,
  seek: true,
  implicitSnapshots: true,
  explicitSnapshots: true,
  permanence: true,
  createIfMissing: true,
  errorIfExists: true,
  deferredOpen: true,
  signals: { iterators: true },
  additionalMethods: { approximateSize: true, compactRange: true, refresh: true },
} as const;

/**
 * What the constructor takes beside the options of abstract-level (encodings, `createIfMissing`, `errorIfExists`,
 * `passive`).
 */
export interface NativeFreeLevelOptions<K, V> extends AbstractDatabaseOptions<K, V>, AbstractOpenOptions {
  /** Of the engine, see its README. */
  readonly engine?: Partial<EngineOptions>;
  readonly environment?: Partial<Environment>;
  /** Of the reader, when the database is opened with `readOnly`. */
  readonly reader?: Partial<ReaderOptions>;
}

interface OpenOptions {
  readonly createIfMissing: boolean;
  readonly errorIfExists: boolean;
  readonly readOnly?: boolean;
}

/** A read as abstract-level passes it on. */
interface ReadOptions {
  readonly snapshot?: LevelSnapshot;
}

interface LevelOperation {
  readonly type: 'put' | 'del';
  readonly key: Buffer;
  readonly value: Buffer;
  readonly ttl?: number;
}

/** Options of a write that are this database's own, or classic-level's. */
interface LevelWriteOptions {
  /** Whether to wait until it is on the disk, whatever the engine's `durability`. */
  readonly sync?: boolean;
  /** How long what is put lives, in ms; 0: for ever. Of an operation in a batch, or of all of them. */
  readonly ttl?: number;
}

declare module 'abstract-level' {
  interface AbstractOpenOptions {
    /**
     * Whether to read beside the process that has the database open to be written, or has written it. Nothing can be
     * written then, and what is new is shown after `refresh`.
     */
    readonly readOnly?: boolean;
  }
  // The names of the parameters must be those of the declarations that this adds to.
  interface AbstractPutOptions<K, V> extends LevelWriteOptions {}
  interface AbstractDelOptions<K> extends Pick<LevelWriteOptions, 'sync'> {}
  interface AbstractBatchOptions<K, V> extends LevelWriteOptions {}
  interface AbstractBatchPutOperation<TDatabase, K, V> extends Pick<LevelWriteOptions, 'ttl'> {}
  interface AbstractChainedBatchPutOptions<TDatabase, K, V> extends Pick<LevelWriteOptions, 'ttl'> {}
  interface AbstractChainedBatchWriteOptions extends LevelWriteOptions {}
}

/**
 * A database of `abstract-level` in one directory. Keys and values are Buffers between it and the encodings. Its
 * methods with a leading underscore are those that abstract-level calls, once arguments are checked and encoded.
 */
export class NativeFreeLevel<K = string, V = string> extends AbstractLevel<Buffer, K, V> {
  readonly location: string;
  readonly #settings: Partial<EngineOptions> | undefined;
  readonly #environment: Partial<Environment> | undefined;
  readonly #readerSettings: Partial<ReaderOptions> | undefined;
  #opened: Engine | undefined;
  #reader: EngineReader | undefined;

  /** @param location the directory, which is made when the database is opened */
  constructor(location: string, options?: NativeFreeLevelOptions<K, V>) {
    // The engine's own settings are not for hooks, which are given all other options.
    const { engine, environment, reader, ...others } = options ?? {};
    super(MANIFEST, others);
    if (typeof location !== 'string' || location === '')
      throw new TypeError('location must be a path in a string: the directory of the database');
    this.location = location;
    this.#settings = engine;
    this.#environment = environment;
    this.#readerSettings = reader;
  }

  /** Removes a database that is not open, see `destroy` of the engine. A missing one is no error. */
  static async destroy(location: string): Promise<void> {
    const { destroyFolder } = await import('../offline/destroy.ts');
    await inLevelTerms(() => destroyFolder(location, {}));
  }

  /**
   * Mends what damage has left of a database that is not open, see `repair` of the engine, which can say first what
   * it would do. What is replaced is kept in `lost/`.
   */
  static async repair(location: string): Promise<void> {
    const { repairFolder } = await import('../offline/repair.ts');
    await inLevelTerms(() => repairFolder(location, { apply: true }));
  }

  /** The engine underneath. @throws Error LEVEL_DATABASE_NOT_OPEN; LEVEL_NOT_WRITABLE with `readOnly` */
  get engine(): Engine {
    if (this.#opened !== undefined) return this.#opened;
    if (this.#reader !== undefined) throw levelError(notWritable(this.location));
    throw notOpenError();
  }

  /**
   * Of a database that was opened with `readOnly`: takes what was written since, by its writer, up to now. What was shown
   * before is shown until then, and when it fails. A database that is open to be written shows everything anyway.
   * @returns whether anything was new
   * @throws Error LEVEL_CHANGING, LEVEL_OVERLOADED: try again; LEVEL_REPLACED: another database is in its place, open it
   *   again; LEVEL_CORRUPTION, LEVEL_IO_ERROR, LEVEL_UNSUPPORTED_FORMAT, LEVEL_DATABASE_NOT_OPEN
   */
  async refresh(): Promise<boolean> {
    if (this.status === 'opening') return this.deferAsync(() => this.refresh());
    return inLevelTerms(() => (this.#reads === this.#reader ? this.#reader.refresh() : false));
  }

  /** About how many bytes of the disk keys from `start` to before `end` take. What was not flushed yet does not count. */
  async approximateSize(
    start: K,
    end: K,
    options: { readonly keyEncoding?: Transcoder.KnownEncodingName | undefined } = {},
  ): Promise<number> {
    if (this.status === 'opening') return this.deferAsync(() => this.approximateSize(start, end, options));
    return inLevelTerms(() =>
      this.#reads.store.approximateSize(this.#encoded(start, options), this.#encoded(end, options)),
    );
  }

  /**
   * Rewrites what is on the disk so that outdated versions and deletions take no room. All of it: the engine does not
   * compact less. So the bounds say only what the caller needs.
   */
  async compactRange(
    start: K,
    end: K,
    options: { readonly keyEncoding?: Transcoder.KnownEncodingName | undefined } = {},
  ): Promise<void> {
    if (this.status === 'opening') return this.deferAsync(() => this.compactRange(start, end, options));
    this.#encoded(start, options);
    this.#encoded(end, options);
    return inLevelTerms(() => this.engine.compact());
  }

  async _open({ createIfMissing, errorIfExists, readOnly = false }: OpenOptions): Promise<void> {
    const current = join(this.location, CURRENT_FILE_NAME);
    const isThere = this.#environment?.fs?.existsSync(current) ?? existsSync(current);
    if (isThere && errorIfExists) throw existsError(this.location);
    if (!isThere && (!createIfMissing || readOnly)) throw missingError(this.location, readOnly);
    if (readOnly) {
      this.#reader = await inLevelTerms(() =>
        EngineReader.open(this.location, this.#readerSettings, this.#environment),
      );
      return;
    }
    this.#opened = await inLevelTerms(() =>
      Engine.open(this.location, { ...this.#settings, createIfMissing }, this.#environment),
    );
  }

  async _close(): Promise<void> {
    const opened = this.#opened ?? this.#reader;
    this.#opened = undefined;
    this.#reader = undefined;
    await inLevelTerms(() => opened?.close());
  }

  async _get(key: Buffer, options: ReadOptions): Promise<Buffer | undefined> {
    return inLevelTerms(() => this.#reads.get(key, heldBy(options)) as Promise<Buffer | undefined>);
  }

  _getSync(key: Buffer, options: ReadOptions): Buffer | undefined {
    try {
      return this.#reads.getSync(key, heldBy(options)) as Buffer | undefined;
    } catch (error) {
      throw levelError(error);
    }
  }

  async _getMany(keys: Buffer[], options: ReadOptions): Promise<(Buffer | undefined)[]> {
    return inLevelTerms(() => this.#reads.getMany(keys, heldBy(options)) as Promise<(Buffer | undefined)[]>);
  }

  async _has(key: Buffer, options: ReadOptions): Promise<boolean> {
    return (await this._get(key, options)) !== undefined;
  }

  async _hasMany(keys: Buffer[], options: ReadOptions): Promise<boolean[]> {
    return (await this._getMany(keys, options)).map((value) => value !== undefined);
  }

  async _put(key: Buffer, value: Buffer, { sync = false, ttl }: LevelWriteOptions): Promise<void> {
    return inLevelTerms(() => this.engine.put(key, value, { ...livesFor(ttl), sync }));
  }

  async _del(key: Buffer, { sync = false }: LevelWriteOptions): Promise<void> {
    return inLevelTerms(() => this.engine.delete(key, { sync }));
  }

  async _batch(
    operations: readonly LevelOperation[],
    { sync = false, ttl: common }: LevelWriteOptions,
  ): Promise<void> {
    return inLevelTerms(() => {
      const writes = operations.map(
        ({ type, key, value, ttl = common }): BatchOperation =>
          type === 'put' ? { type, key, value, ...livesFor(ttl) } : { type: 'delete', key },
      );
      return this.engine.write(writes, { sync });
    });
  }

  /** Deletes the range by one record, unless not all that it holds now is meant: then the keys that are, some at a time. */
  async _clear(options: LevelScanOptions): Promise<void> {
    const { engine } = this;
    const { limit, reverse } = options;
    if (limit < 0 && options.snapshot === undefined)
      return inLevelTerms(() => engine.clear(boundsOf(options)));
    await inLevelTerms(async () => {
      using own = options.snapshot === undefined ? engine.snapshot() : undefined;
      const snapshot = own ?? (options.snapshot as LevelSnapshot).held;
      const range = { ...boundsOf(options), reverse, values: false, snapshot };
      await using scan = engine.range({ ...range, ...(limit >= 0 && { limit }) });
      for (;;) {
        const entries = await scan.nextMany(CLEARED_AT_ONCE);
        if (entries.length === 0) return;
        await Promise.all(entries.map(({ key }) => engine.delete(key)));
      }
    });
  }

  _iterator(options: LevelScanOptions): LevelScan<K, V> {
    return new LevelScan(this, this.#reads, options);
  }

  _snapshot(options: object): LevelSnapshot {
    return new LevelSnapshot(options, this.#reads.snapshot());
  }

  get #reads(): ReadableEngine & { readonly store: ReadableStore } {
    return this.#reader ?? this.engine;
  }

  #encoded(
    key: K,
    { keyEncoding }: { readonly keyEncoding?: Transcoder.KnownEncodingName | undefined },
  ): Buffer {
    if (key === null || key === undefined) throw invalidKeyError();
    const encoding = keyEncoding === undefined ? this.keyEncoding() : this.keyEncoding(keyEncoding);
    return this.prefixKey(encoding.encode(key as never) as Buffer, 'buffer', true);
  }
}

/** Errors of the engine come out under the codes of abstract-level. */
async function inLevelTerms<Result>(call: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw levelError(error);
  }
}

function notWritable(location: string): LsmError {
  return new LsmError('NOT_WRITABLE', `${location} was opened with readOnly: write where it is open without`);
}

/**
 * 0 counts as none, as with level-ttl.
 * @throws LsmError INVALID_ARGUMENT under the name that the caller of this database knows
 */
function livesFor(ttl: number | undefined): Pick<PutOptions, 'ttlMs'> | undefined {
  if (ttl === undefined || ttl === 0) return undefined;
  refuse(ttlFault('ttl', ttl));
  return { ttlMs: ttl };
}

function heldBy({ snapshot }: ReadOptions): Snapshot | undefined {
  return snapshot?.held;
}
