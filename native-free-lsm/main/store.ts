import {
  bytesFault,
  describe,
  directoryFault,
  invalidArgument,
  refuse,
  requireSink,
  signalFault,
} from '../arguments.ts';
import { BlockCache, createBlockCacheMemory } from '../cache/block-cache.ts';
import { LsmError } from '../errors.ts';
import type { Executor } from '../executor.ts';
import type { HashSeed } from '../format/hash.ts';
import type { Page } from '../iterator/page.ts';
import { completeOptions, type EngineOptions } from '../options.ts';
import { type RecoveredState, recover } from '../recovery.ts';
import type { RoleInit } from '../roles/messages.ts';
import { ControlWord, createControl } from '../shared/control.ts';
import { EpochDomain } from '../shared/epochs.ts';
import { createRing, RingConsumer, RingProducer, ringBytesFor } from '../shared/ring.ts';
import { WriteDeadlines } from '../shared/write-deadlines.ts';
import { Arenas } from './arenas.ts';
import { EngineConditions } from './conditions.ts';
import { completeEnvironment, type Environment } from './environment.ts';
import { Maintenance } from './maintenance.ts';
import { OpeningHeld } from './opening-held.ts';
import { pageFault } from './page-checks.ts';
import type { PageRequest, SnapshotPoint } from './read-lane.ts';
import { ReadPath } from './read-path.ts';
import { ReaderLanes } from './reader-lanes.ts';
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
import { Views } from './views.ts';
import { batchFault, putFault } from './write-checks.ts';
import { MAX_WRITES_IN_RING, WRITER_RESPONSE_RING_BYTES, WriteQueue } from './write-queue.ts';
import { WriteTrouble } from './write-trouble.ts';

const WRITER_THREAD = 1;
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
  readonly #control: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #epochs = new EpochDomain();
  readonly #executor: Executor;
  readonly #views: Views;
  readonly #arenas: Arenas;
  readonly #cache: BlockCache;
  readonly #writes: WriteQueue;
  readonly #reads: ReadPath;
  readonly #readers: ReaderLanes;
  readonly #maintenance: Maintenance;
  readonly #directory: string;
  readonly #manifest: RecoveredState['manifest'];
  readonly #hashSeed: HashSeed;
  readonly #snapshots: Snapshots;
  readonly #writerEnd: Promise<void>;
  readonly #conditions: EngineConditions;
  readonly #trouble: WriteTrouble;
  readonly #held: OpeningHeld;
  #publishDue = false;
  #fault: LsmError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    directory: string,
    options: EngineOptions,
    environment: Environment,
    state: RecoveredState,
  ) {
    this.options = options;
    this.#directory = directory;
    this.#environment = environment;
    this.#lock = state.lock;
    this.#manifest = state.manifest;
    this.#conditions = new EngineConditions(environment.clock);
    const { clock, report } = environment;
    this.#trouble = new WriteTrouble(clock, this.#conditions, report, () => this.#askWriter());
    this.#held = new OpeningHeld(clock, this.#conditions, state.hold, () => {
      report('what was opened can be written again');
      this.#maintenance.wake();
      this.#askWriter();
    });
    this.#hashSeed = state.hashSeed;
    this.#control = createControl();
    this.#words = new Int32Array(this.#control);
    const cacheMemory = createBlockCacheMemory(
      Math.max(options.blockCacheBytes, LEAST_CACHE_BYTES),
      state.hashSeed,
    );
    this.#cache = new BlockCache(cacheMemory, this.#epochs);
    this.#arenas = new Arenas(
      this.#control,
      options.memtableBytes,
      options.maxSealedMemtables + 3,
      state.hashSeed,
    );
    for (const { generation, memory } of state.memtables) this.#arenas.adopt(generation, memory);
    this.#views = new Views(this.#control, this.#epochs, state.version, {
      onTableUnused: ({ metadata, path }) => {
        this.#cache.removeTable(metadata.id);
        this.#conditions.forgetTable(path);
        environment.fs.remove(path).catch((error: Error) => environment.report(error.message));
      },
      onGenerationsUnused: (below) => {
        this.#arenas.release(below);
        // The writer may be waiting for an arena, and nothing else may happen until it has one.
        this.#maintenance?.steerWriter();
      },
    });
    this.#views.install(state.version, state.oldestGeneration, state.handles);
    this.#snapshots = new Snapshots(this.#views, this.#epochs);
    const arena = this.#arenas.begin(state.nextGeneration);
    this.#executor = environment.executor({
      control: this.#control,
      fs: environment.fs,
      clock: environment.clock,
      threads: 1 + options.readers,
      backgroundThreads: options.maxBackgroundJobs,
      onResponses: () => this.#drain(),
    });
    [this.#writes, this.#writerEnd] = this.#startWriter(state.nextGeneration, arena);
    this.#readers = new ReaderLanes({
      executor: this.#executor,
      views: this.#views,
      epochs: this.#epochs,
      cache: cacheMemory,
      maxRecordBytes: options.maxRecordBytes,
      initOf: (requests, responses, thread) => this.#roleInit(requests, responses, thread),
      onEnded: (lane, error) => this.#readerEnded(lane, error),
    });
    this.#reads = new ReadPath(
      this.#arenas,
      this.#views,
      this.#cache,
      this.#readers.lanes,
      state.hashSeed,
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
      directory,
      fs: environment.fs,
      clock: environment.clock,
      options,
      control: this.#control,
      executor: this.#executor,
      views: this.#views,
      arenas: this.#arenas,
      manifest: state.manifest,
      nextFileId: state.nextFileId,
      hashSeed: state.hashSeed,
      report: environment.report,
      conditions: this.#conditions,
      isHeld: () => this.#held.reason !== undefined,
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
    let newest = this.#views.current.largestTimestamp;
    for (let g = this.#arenas.activeGeneration; g >= this.#views.current.oldestGeneration; g--) {
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
    else this.#writes.put(key, record, sink, token, this.#environment.clock.monotonicMs() + timeoutMs);
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
      pageFault(request, this.options.scanFramings.length) ??
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
    this.#check();
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
      views: this.#views,
      arenas: this.#arenas,
      cache: this.#cache,
      writes: this.#writes,
      reads: this.#reads,
      maintenance: this.#maintenance,
      conditions: this.#conditions,
      fault: this.#fault,
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
    this.#trouble.stop();
    this.#held.stop();
    await this.#writes.idle();
    this.#writes.close(CLOSED);
    this.#reads.close(CLOSED);
    this.#snapshots.releaseAll();
    const before = this.#fault;
    try {
      await this.#maintenance.close(CLOSED);
      // The wake-up requests are published after the word they are to be seen with.
      Atomics.store(this.#words, ControlWord.stop, 1);
      this.#wakeRoles();
      await Promise.all([this.#writerEnd, ...this.#readers.ended]);
      // The writer's last word may be that its last sync failed.
      this.#drain();
      await this.#executor.close();
      // The mark that it was closed is all that can be missing.
      await this.#manifest.close().catch((error: Error) => this.#environment.report(error.message));
    } finally {
      this.#lock[Symbol.dispose]();
    }
    if (this.#fault !== undefined && before === undefined) throw this.#fault;
  }

  #wakeRoles(): void {
    this.#writes.wake();
    this.#readers.wake();
    this.#publish();
  }

  #startWriter(generation: number, arena: number): [queue: WriteQueue, end: Promise<void>] {
    const { options } = this;
    const requestRing = createRing(ringBytesFor(options.maxBatchBytes));
    const responseRing = createRing(WRITER_RESPONSE_RING_BYTES);
    const requests = new RingProducer(requestRing);
    const deadlines = WriteDeadlines.allocate(MAX_WRITES_IN_RING);
    this.#views.attachWriter(requests);
    const handle = this.#executor.startWriter({
      ...this.#roleInit(requestRing, responseRing, WRITER_THREAD),
      generation,
      arena,
      deadlines,
    });
    this.#views.link(handle);
    const end = handle.exited.then((error) => this.#writerEnded(error));
    const responses = new RingConsumer(responseRing);
    const times = new WriteDeadlines(deadlines);
    const { clock } = this.#environment;
    const queue = new WriteQueue(requests, responses, times, options.maxQueuedWriteBytes, clock, {
      onRotated: (next) => {
        this.#arenas.taken(next);
        this.#maintenance.rotated(next);
        this.#snapshots.expire(next, options.maxSealedMemtables);
      },
      onBegun: (first) => this.#maintenance.logBegun(first),
      onFault: (error) => this.#poison(error),
      onFailing: (error) => this.#trouble.changed(error),
      onQueued: () => this.#publishSoon(),
    });
    return [queue, end];
  }

  #roleInit(requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number): RoleInit {
    return {
      directory: this.#directory,
      options: this.options,
      control: this.#control,
      requests,
      responses,
      arenas: this.#arenas.memories,
      thread,
      hashSeed: this.#hashSeed,
    };
  }

  /** Nothing can take the writer's place: what it had in hand may or may not be in the log. */
  #writerEnded(error: Error | undefined): void {
    if (error === undefined) return;
    // What it had answered before is answered.
    this.#drain();
    const fault = new LsmError('POISONED', `the writer thread died (${error.message}): restart the engine`, {
      cause: error,
    });
    this.#poison(fault);
    this.#writes.close(fault);
    this.#views.detachWriter();
  }

  #askWriter(): void {
    if (this.#held.reason !== undefined) return;
    this.#writes.wake();
    this.#publish();
  }

  #poison(fault: LsmError): void {
    this.#fault ??= fault;
    this.#conditions.poisoned(fault);
    this.#trouble.stop();
    this.#environment.report(fault.message);
  }

  #readerEnded(index: number, error: Error | undefined): void {
    if (error === undefined || this.#closing !== undefined) return;
    this.#environment.report(`a reader thread died (${error.message}); another takes its place`);
    this.#readers.start(index);
    this.#reads.retry(index);
    // What only it might still have read: no answer may come any more that would let go of it.
    this.#views.collect();
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
    this.#views.collect();
  }

  /** What forbids any write now. */
  get #refusal(): LsmError | undefined {
    return this.#closing === undefined ? (this.#fault ?? this.#held.reason) : CLOSED;
  }

  #check(): void {
    const refusal = this.#refusal;
    if (refusal !== undefined) throw refusal;
  }
}

const NEVER = Number.POSITIVE_INFINITY;

function timeoutFault(timeoutMs: number): LsmError | undefined {
  if (timeoutMs === NEVER || Number.isFinite(timeoutMs)) return undefined;
  return invalidArgument(`timeoutMs must be a number, not ${describe(timeoutMs)}`);
}

const CLOSED = new LsmError('CLOSED', 'the engine is closed');
