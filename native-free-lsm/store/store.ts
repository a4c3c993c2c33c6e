import { bytesFault, directoryFault, refuse, requireSink, signalFault } from '../arguments.ts';
import { BlockCache, createBlockCacheMemory } from '../cache/block-cache.ts';
import { LsmError } from '../errors.ts';
import type { Page } from '../iterator/page.ts';
import { completeOptions, type EngineOptions } from '../options.ts';
import { ControlWord, createControl } from '../shared/control.ts';
import { EpochDomain } from '../shared/epochs.ts';
import type { Executor } from '../threads/executor.ts';
import type { RoleInit } from '../threads/messages.ts';
import { Arenas } from './arenas.ts';
import { EngineConditions } from './conditions.ts';
import { completeEnvironment, type Environment } from './environment.ts';
import { Maintenance } from './maintenance.ts';
import { OpeningHeld } from './opening-held.ts';
import { pageFault } from './page-checks.ts';
import { ReadPath } from './read-path.ts';
import type { PageRequest, SnapshotPoint } from './reader-channel.ts';
import { ReaderChannels } from './reader-channels.ts';
import { type RecoveredState, recover } from './recovery.ts';
import {
  answerRead,
  answerWrite,
  type KeyedRecord,
  type ReadSink,
  type WriteSink,
  WriteStatus,
} from './sinks.ts';
import { Snapshots } from './snapshots.ts';
import { collectStats, type EngineStats } from './stats.ts';
import type { StoreSnapshot } from './store-snapshot.ts';
import { SuperVersions } from './super-versions.ts';
import { batchFault, NEVER, putFault, timeoutFault } from './write-checks.ts';
import type { WriteQueue } from './write-queue.ts';
import { WriterChannel } from './writer-channel.ts';

/** Too small for a block: a cache that holds nothing. */
const LEAST_CACHE_BYTES = 4096;

/**
 * A store of records by key on the main thread: wires the write queue, the read path and the maintenance to
 * one directory, and opens and closes them. Nothing here blocks or touches the disk once `open` has returned.
 */
export class RecordStore {
  readonly options: EngineOptions;
  readonly #environment: Environment;
  readonly #lock: Disposable;
  readonly #words: Int32Array;
  readonly #epochs = new EpochDomain();
  readonly #executor: Executor;
  readonly #superVersions: SuperVersions;
  readonly #arenas: Arenas;
  readonly #cache: BlockCache;
  readonly #writer: WriterChannel;
  /** The queue of `#writer`, called for every write. */
  readonly #writes: WriteQueue;
  readonly #reads: ReadPath;
  readonly #readers: ReaderChannels;
  readonly #maintenance: Maintenance;
  readonly #manifest: RecoveredState['manifest'];
  readonly #snapshots: Snapshots;
  readonly #conditions: EngineConditions;
  readonly #held: OpeningHeld;
  #publishDue = false;
  #closing: Promise<void> | undefined;

  private constructor(
    directory: string,
    options: EngineOptions,
    environment: Environment,
    state: RecoveredState,
  ) {
    this.options = options;
    this.#environment = environment;
    this.#lock = state.lock;
    this.#manifest = state.manifest;
    this.#conditions = new EngineConditions(environment.clock);
    const { clock, fs, report } = environment;
    const { hashSeed } = state;
    this.#held = new OpeningHeld(clock, this.#conditions, state.hold, () => {
      report('what was opened can be written again');
      this.#maintenance.wake();
      this.#writer.ask();
    });
    const control = createControl();
    this.#words = new Int32Array(control);
    const cacheMemory = createBlockCacheMemory(
      Math.max(options.blockCacheBytes, LEAST_CACHE_BYTES),
      hashSeed,
    );
    this.#cache = new BlockCache(cacheMemory, this.#epochs);
    this.#arenas = new Arenas(control, options.memtableBytes, options.maxSealedMemtables + 3, hashSeed);
    for (const { generation, memory } of state.memtables) this.#arenas.adopt(generation, memory);
    this.#superVersions = new SuperVersions(control, this.#epochs, state.version, {
      onTableUnused: ({ metadata, path }) => {
        this.#cache.removeTable(metadata.id);
        this.#conditions.forgetTable(path);
        fs.remove(path).catch((error: Error) => report(error.message));
      },
      onGenerationsUnused: (below) => {
        this.#arenas.release(below);
        // The writer may be waiting for an arena, and nothing else may happen until it has one.
        this.#maintenance?.steerWriter();
      },
    });
    this.#superVersions.install(state.version, state.oldestGeneration, state.handles);
    this.#snapshots = new Snapshots(this.#superVersions, this.#epochs);
    const arena = this.#arenas.begin(state.nextGeneration);
    this.#executor = environment.executor({
      control,
      fs,
      clock,
      threads: 1 + options.readers,
      backgroundThreads: options.maxBackgroundJobs,
      onResponses: () => this.#drain(),
    });
    const initOf = (requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number): RoleInit => {
      const rings = { requests, responses };
      return { directory, options, control, ...rings, arenas: this.#arenas.memories, thread, hashSeed };
    };
    const common = {
      clock,
      conditions: this.#conditions,
      executor: this.#executor,
      isHeld: () => this.#held.reason !== undefined,
      options,
      report,
      superVersions: this.#superVersions,
    };
    this.#writer = new WriterChannel({
      ...common,
      initOf,
      generation: state.nextGeneration,
      arena,
      events: {
        onRotated: (next) => {
          this.#arenas.taken(next);
          this.#maintenance.rotated(next);
          this.#snapshots.expire(next, options.maxSealedMemtables);
        },
        onBegun: (first) => this.#maintenance.logBegun(first),
        onQueued: () => this.#publishSoon(),
      },
      publish: this.#publish,
      drain: () => this.#drain(),
    });
    this.#writes = this.#writer.queue;
    this.#readers = new ReaderChannels({
      ...common,
      epochs: this.#epochs,
      cache: cacheMemory,
      maxRecordBytes: options.maxRecordBytes,
      initOf,
      onEnded: (channel, error) => this.#readerEnded(channel, error),
    });
    this.#reads = new ReadPath(
      this.#arenas,
      this.#superVersions,
      this.#cache,
      this.#readers.channels,
      hashSeed,
      options.maxQueuedReadBytes,
      () => this.#publishSoon(),
      // At once: a reader is to be at work on a page while main writes the one before to a socket.
      () => {
        if (this.#reads.publish()) this.#executor.kick();
      },
      (error) => this.#conditions.damaged(error.file ?? '', error),
    );
    for (let reader = 0; reader < options.readers; reader++) this.#readers.start(reader);
    this.#maintenance = new Maintenance({
      ...common,
      directory,
      fs,
      control,
      arenas: this.#arenas,
      manifest: state.manifest,
      nextFileId: state.nextFileId,
      hashSeed,
      onArenasShort: () => this.#snapshots.giveUpOne(),
    });
    this.#maintenance.wake();
    // The writer may have said already that it has begun its log, or that it has none.
    this.#drain();
  }

  /**
   * Opens `directory`, making it if need be, and recovers what it holds.
   * @throws LsmError LOCKED, FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT, NO_SPACE, IO_ERROR, INVALID_ARGUMENT
   */
  static open(
    directory: string,
    options: Partial<EngineOptions> = {},
    environment: Partial<Environment> = {},
  ): RecordStore {
    refuse(directoryFault('directory', directory));
    const complete = completeOptions(options);
    const surroundings = completeEnvironment(environment);
    const state = recover(
      surroundings.fs,
      directory,
      complete,
      surroundings.report,
      surroundings.drawHashSeed,
    );
    try {
      return new RecordStore(directory, complete, surroundings, state);
    } catch (error) {
      state.manifest.close().catch(() => undefined);
      state.lock[Symbol.dispose]();
      throw error;
    }
  }

  /** The largest timestamp of any record in the store. */
  get newestTimestamp(): number {
    let newest = this.#superVersions.current.largestTimestamp;
    for (let g = this.#arenas.activeGeneration; g >= this.#superVersions.current.oldestGeneration; g--) {
      newest = Math.max(newest, this.#arenas.memtable(g).largestTimestamp);
    }
    return newest;
  }

  /**
   * Puts a record unless the same or a newer version of the key is there.
   * @param timeoutMs after which the write is not begun any more but fails with OVERLOADED; infinite for none
   */
  write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number, timeoutMs = NEVER): void {
    requireSink(sink, 'onWrite', token);
    const fault = this.#refusal ?? putFault(this.options, key, record) ?? timeoutFault(timeoutMs);
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else if (timeoutMs === NEVER) this.#writes.put(key, record, sink, token);
    else this.#writes.put(key, record, sink, token, this.#executor.clock.monotonicMs() + timeoutMs);
  }

  /** Puts several records that become durable and visible together. */
  writeBatch(puts: readonly KeyedRecord[], sink: WriteSink, token: number): void {
    requireSink(sink, 'onWrite', token);
    const fault = this.#refusal ?? batchFault(this.options, puts);
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else this.#writes.batch(puts, sink, token);
  }

  /** The newest record of a key, tombstones included. Answers in the call when memory holds the answer. */
  read(key: Uint8Array, sink: ReadSink, token: number): void {
    requireSink(sink, 'onRead', token);
    const fault = bytesFault('key', key);
    if (fault !== undefined) answerRead(sink, token, null, fault);
    else this.#reads.read(key, null, sink, token);
  }

  readAt(snapshot: StoreSnapshot, key: Uint8Array, sink: ReadSink, token: number): void {
    requireSink(sink, 'onRead', token);
    const fault = this.#snapshots.fault(snapshot) ?? bytesFault('key', key);
    if (fault !== undefined) answerRead(sink, token, null, fault);
    else this.#reads.read(key, snapshot.point as SnapshotPoint, sink, token);
  }

  /**
   * One page of a scan in key order, of the newest state when the page is read, or of a snapshot. Rejects with the
   * signal's reason as soon as that is aborted.
   */
  rangePage(request: PageRequest, snapshot?: StoreSnapshot, signal?: AbortSignal): Promise<Page> {
    const fault =
      pageFault(request, this.options.entryEncoders.length) ??
      (snapshot === undefined ? undefined : this.#snapshots.fault(snapshot)) ??
      (signal === undefined ? undefined : signalFault('signal', signal));
    if (fault !== undefined) return Promise.reject(fault);
    return this.#reads.page(request, snapshot?.point ?? null, signal);
  }

  /**
   * A picture of this moment. It pins memtables: when their memory is needed for writing, the oldest snapshot
   * is given up and its reads fail with SNAPSHOT_EXPIRED.
   */
  snapshot(): StoreSnapshot {
    if (this.#closing !== undefined) throw CLOSED;
    return this.#snapshots.take(this.#reads.currentPoint());
  }

  /** Resolves when everything written before is in tables; rejects when a flush fails, though it is tried again. */
  async flush(): Promise<void> {
    const refusal = this.#refusal;
    if (refusal !== undefined) throw refusal;
    await this.#writes.barrier();
    // Before the request that makes the writer look.
    Atomics.add(this.#words, ControlWord.sealRequests, 1);
    await this.#writes.barrier();
    // What was sealed lies below; an active memtable that was empty is still the active one.
    await this.#maintenance.flushed(this.#arenas.activeGeneration);
  }

  /** Flushes, then moves everything to the last level. */
  async compact(): Promise<void> {
    await this.flush();
    await this.#maintenance.compactAll();
  }

  /** Resolves when no flush and no compaction is due; rejects when one fails. */
  maintenanceIdle(): Promise<void> {
    return this.#maintenance.idle();
  }

  stats(): EngineStats {
    return collectStats({
      options: this.options,
      words: this.#words,
      superVersions: this.#superVersions,
      arenas: this.#arenas,
      cache: this.#cache,
      writes: this.#writes,
      reads: this.#reads,
      maintenance: this.#maintenance,
      conditions: this.#conditions,
      fault: this.#writer.fault,
    });
  }

  /**
   * Ends when everything accepted is written and synced, and all threads are gone.
   * @throws LsmError POISONED when the last sync failed: with a durability below `sync` what was acknowledged may
   *   be lost. The directory is free all the same
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#writer.stopAsking();
    this.#held.stop();
    await this.#writes.idle();
    this.#writes.close(CLOSED);
    this.#reads.close(CLOSED);
    this.#snapshots.releaseAll();
    const before = this.#writer.fault;
    try {
      await this.#maintenance.close(CLOSED);
      // The wake-up requests are published after the word they are to be seen with.
      Atomics.store(this.#words, ControlWord.stop, 1);
      this.#wakeRoles();
      await Promise.all([this.#writer.ended, ...this.#readers.ended]);
      // The writer's last word may be that its last sync failed.
      this.#drain();
      await this.#executor.close();
      // The mark that it was closed is all that can be missing.
      await this.#manifest.close().catch((error: Error) => this.#environment.report(error.message));
    } finally {
      this.#lock[Symbol.dispose]();
    }
    if (this.#writer.fault !== undefined && before === undefined) throw this.#writer.fault;
  }

  #wakeRoles(): void {
    this.#writes.wake();
    this.#readers.wake();
    this.#publish();
  }

  #readerEnded(index: number, error: Error | undefined): void {
    if (error === undefined || this.#closing !== undefined) return;
    this.#environment.report(`a reader thread died (${error.message}); another takes its place`);
    this.#readers.start(index);
    this.#reads.retry(index);
    // What only it might still have read: no answer may come any more that would let go of it.
    this.#superVersions.collect();
  }

  #publishSoon(): void {
    if (this.#publishDue) return;
    this.#publishDue = true;
    this.#environment.clock.endOfTurn(this.#publish);
  }

  readonly #publish = (): void => {
    this.#publishDue = false;
    const wrote = this.#writes.publish();
    const read = this.#reads.publish();
    if (wrote || read) this.#executor.kick();
  };

  #drain(): void {
    this.#writes?.drain();
    this.#reads?.drain();
    this.#superVersions.collect();
  }

  /** What forbids any write now. */
  get #refusal(): LsmError | undefined {
    return this.#closing === undefined ? (this.#writer.fault ?? this.#held.reason) : CLOSED;
  }
}

const CLOSED = new LsmError('CLOSED', 'the engine is closed');
