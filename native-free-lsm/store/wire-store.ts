import { join } from 'node:path';
import { BlockCache, createBlockCacheMemory } from '../cache/block-cache.ts';
import { keyCacheBytes } from '../cache/key-cache.ts';
import { LsmError } from '../errors.ts';
import { type EngineOptions, isSingleThread } from '../options.ts';
import { ControlWord, createControl } from '../shared/control.ts';
import { EpochDomain } from '../shared/epochs.ts';
import type { Executor } from '../threads/executor.ts';
import type { RoleInit } from '../threads/protocol/posted-messages.ts';
import { LOCK_FILE_NAME } from '../version/file-names.ts';
import { Arenas } from './arenas.ts';
import { BackgroundJobs } from './background-jobs.ts';
import { BlockingReads } from './blocking-reads.ts';
import { Checkpoints } from './checkpoints.ts';
import { ClosingStack } from './closing-stack.ts';
import { EngineConditions } from './conditions.ts';
import type { Environment } from './environment.ts';
import { Ingestion } from './ingestion.ts';
import { LargeBatches } from './large-batches.ts';
import { LateTables } from './late-tables.ts';
import { LockWatch } from './lock-watch.ts';
import { Maintenance } from './maintenance.ts';
import { OpeningHeld } from './opening-held.ts';
import type { ReadPath } from './read-path.ts';
import type { ReaderChannels } from './reader-channels.ts';
import type { RecoveredState } from './recovery.ts';
import { RingTraffic } from './ring-traffic.ts';
import { SlotKeeper } from './slot-keeper.ts';
import { SnapshotKeeper } from './snapshot-keeper.ts';
import { Snapshots } from './snapshots.ts';
import { SuperVersions } from './super-versions.ts';
import { TableMemory } from './table-memory.ts';
import { wireReads } from './wire-reads.ts';
import type { WriteQueue } from './write-queue.ts';
import { WriterChannel } from './writer-channel.ts';

/** Too small for a block, so that a cache of this size holds nothing. */
export const LEAST_CACHE_BYTES = 4096;

export const CLOSED = new LsmError('CLOSED', 'the engine is closed');

/** The parts of an open store, connected and started. */
export interface StoreParts {
  readonly options: EngineOptions;
  readonly expiryNowMs: () => number;
  readonly executor: Executor;
  readonly words: Int32Array;
  readonly conditions: EngineConditions;
  readonly held: OpeningHeld;
  readonly arenas: Arenas;
  readonly superVersions: SuperVersions;
  readonly snapshots: Snapshots;
  readonly lateTables: LateTables;
  readonly cache: BlockCache;
  readonly writer: WriterChannel;
  readonly readers: ReaderChannels;
  readonly writes: WriteQueue;
  readonly reads: ReadPath;
  readonly maintenance: Maintenance;
  readonly ingestion: Ingestion;
  readonly largeBatches: LargeBatches;
  readonly slots: SlotKeeper;
  readonly checkpoints: Checkpoints;
  /** Has the active memtable sealed, unless it is empty; resolves when it is. */
  readonly seal: () => Promise<void>;
  /** Ends, in this order, timers, background jobs and threads, and then closes the manifest and frees the lock. */
  readonly opened: ClosingStack;
}

/** How much more than the opening each turn after it loads of tables: some milliseconds. */
const LATE_SHARES = 4;

/**
 * Makes the parts of a store and connects them. Should one of them fail, everything that was opened, by the recovery or
 * here, is closed again; the directory is free once its threads have ended.
 */
export function wireStore(directory: string, environment: Environment, state: RecoveredState): StoreParts {
  const { report } = environment;
  const opened = new ClosingStack();
  opened.defer(() => state.lock[Symbol.dispose]());
  opened.defer(() => {
    for (const table of state.handles) if ('load' in table) table[Symbol.dispose]();
  });
  // Only the mark that it was closed can be missing.
  opened.defer(() => state.manifest.close().catch((error: Error) => report(error.message)));
  try {
    return connect(directory, environment, state, opened);
  } catch (error) {
    opened[Symbol.asyncDispose]().catch((cause: Error) => report(cause.message));
    throw error;
  }
}

/**
 * First all parts are made, in the order in which they use each other; then they are started. An event, which goes in
 * the opposite direction, is a function that is passed in once. Nothing happens before the start, so all parts exist
 * when such a function is called, even when the start fails.
 */
function connect(
  directory: string,
  environment: Environment,
  state: RecoveredState,
  opened: ClosingStack,
): StoreParts {
  const { clock, expiryNowMs, fs, report } = environment;
  const { hashSeed, manifest, options } = state;
  const control = createControl();
  const words = new Int32Array(control);
  const epochs = new EpochDomain();
  const conditions = new EngineConditions(clock);

  const cacheBytes = Math.max(options.blockCacheBytes, LEAST_CACHE_BYTES);
  const blockBytes = Math.max(cacheBytes - keyCacheBytes(cacheBytes), LEAST_CACHE_BYTES);
  const cacheMemory = createBlockCacheMemory(blockBytes, hashSeed);
  const cache = new BlockCache(cacheMemory, epochs);
  const arenas = new Arenas(control, options.memtableBytes, options.maxSealedMemtables + 3, hashSeed);
  for (const { generation, memory } of state.memtables) arenas.adopt(generation, memory);
  const arena = arenas.begin(state.nextGeneration);
  const tableMemory = new TableMemory();
  const removals = new Set<Promise<void>>();
  // A later engine may give the number of a file that no manifest has named anew.
  opened.defer(async () => {
    await Promise.all(removals);
  });
  const superVersions = new SuperVersions(control, epochs, state, {
    onTableUnused: (handle) => {
      const { metadata, path } = handle;
      tableMemory.release(handle);
      cache.removeTable(metadata.id);
      blocking.forget(metadata.id);
      conditions.forgetTable(path);
      const removal = fs.remove(path).catch((error: Error) => report(error.message));
      removals.add(removal);
      removal.finally(() => removals.delete(removal));
    },
    onGenerationsUnused: (below) => {
      arenas.release(below);
      // The writer may be waiting for an arena, and nothing else may happen until it has one.
      maintenance.steerWriter();
    },
  });
  const blocking = new BlockingReads(fs, words, options.maxOpenFilesPerThread, cache, cacheMemory, arenas);
  opened.defer(() => blocking.close());
  const snapshots = new Snapshots(superVersions, epochs);

  const traffic = new RingTraffic(clock, {
    onPublished: () => executor.kick(),
    onDrained: () => superVersions.collect(),
  });
  // It runs in turns of the event loop in which nobody would catch what it throws.
  const drain = (): void => {
    try {
      traffic.drain();
    } catch (cause) {
      const why = `answers of the engine's threads could not be taken (${(cause as Error).message})`;
      const fault = new LsmError('POISONED', `${why}: restart the engine`, { cause });
      writer.fail(fault);
      reads.close(fault);
    }
  };
  const executor = environment.executor({
    control,
    fs,
    clock,
    threads: 1 + options.readers,
    // Who asks for one thread wants no other, whatever writes wait for.
    backgroundThreads: options.singleThread === true ? 0 : options.maxBackgroundJobs,
    isSingleThread: isSingleThread(options, environment.processors),
    onResponses: drain,
  });
  opened.defer(() => executor.close());

  const held = new OpeningHeld(clock, conditions, state.hold, () => {
    report('what was opened can be written again');
    maintenance.wake();
    writer.ask();
  });
  const lockWatch = new LockWatch({
    path: join(directory, LOCK_FILE_NAME),
    lock: state.lock,
    onLost: (fault) => {
      writer.fail(fault);
      maintenance.stopped(fault);
    },
  });
  const isHeld = (): boolean => held.reason !== undefined || lockWatch.isLost;
  const jobs = new BackgroundJobs(executor, fs, control, tableMemory);
  const maintenance = new Maintenance({
    directory,
    fs,
    clock,
    expiryNowMs,
    options,
    control,
    jobs,
    superVersions,
    arenas,
    manifest,
    lockWatch,
    nextFileId: state.nextFileId,
    hashSeed,
    report,
    conditions,
    isHeld,
    awaitsBatch: () => writes.awaitsBatch,
    onDoubtLasts: (forMs) => {
      writes.stalled(forMs);
      largeBatches.stalled(forMs);
    },
    onArenasShort: () => keeper.makeRoom(),
    usesFlushedSlots: () => slots.usesFlushedSlots,
    onFlushed: (generation, flushed) => slots.flushed(generation, flushed),
    onSlotsChanged: (changed) => slots.changed(changed),
    onLost: () => slots.lost(),
    onQuarantineChanged: () => slots.quarantineChanged(),
  });

  const keeper = new SnapshotKeeper({
    directory,
    options,
    hashSeed,
    superVersions,
    snapshots,
    arenas,
    jobs,
    expiryNowMs,
    takeFileIds: (count) => maintenance.takeFileIds(count),
    report,
  });

  const { fingerprintSeed } = state;
  const onDamage = (error: LsmError): void => {
    if (error.code === 'CORRUPTION') conditions.damaged(error.file ?? '', error);
    maintenance.damageFound(error);
  };
  const seal = async (): Promise<void> => {
    await writes.barrier();
    // Before the request that makes the writer look.
    Atomics.add(words, ControlWord.sealRequests, 1);
    await writes.barrier();
  };
  const slots = new SlotKeeper({
    options,
    fingerprintSeed,
    control,
    executor,
    superVersions,
    arenas,
    onDamage,
    onHealed: (tableId) => maintenance.healed(tableId),
    onDeletions: (deletions) =>
      held.reason === undefined ? writes.putAll(deletions) : Promise.reject(held.reason),
    // A writer that takes nothing now is reported by its own condition; the next look wishes for it again.
    onFlushWanted: () => void seal().catch(() => undefined),
  });

  const checkpoints = new Checkpoints({ directory, control, executor, superVersions });

  const initOf = (requests: SharedArrayBuffer, responses: SharedArrayBuffer, thread: number): RoleInit => {
    const rings = { requests, responses };
    return { directory, options, control, ...rings, arenas: arenas.memories, thread, hashSeed };
  };
  const { readers, reads } = wireReads({
    arenas,
    blocking,
    cache,
    cacheMemory,
    clock,
    conditions,
    epochs,
    executor,
    hashSeed,
    initOf,
    onDamage,
    opened,
    options,
    report,
    superVersions,
    traffic,
  });
  const writer = new WriterChannel({
    executor,
    superVersions,
    clock,
    conditions,
    options,
    report,
    words,
    initOf,
    generation: state.nextGeneration,
    arena,
    events: {
      onRotated: (next) => {
        arenas.taken(next);
        maintenance.rotated(next);
        keeper.rotated(next);
        // It has said what there is to say.
        void lockWatch.check().catch(() => undefined);
      },
      onBegun: (first) => maintenance.logBegun(first),
      onDamage,
      onQueued: () => traffic.publishSoon(),
    },
    isHeld,
    publish: traffic.publish,
    drain,
  });
  const writes = writer.queue;
  const ingestion = new Ingestion({ arenas, maintenance, superVersions, writes });
  const sealUnderWay = async (): Promise<number> => {
    // Before the request that makes the writer look.
    Atomics.add(words, ControlWord.sealRequests, 1);
    await writes.barrierUnderWay();
    return arenas.activeGeneration;
  };
  const largeBatches = new LargeBatches({
    clock: executor.clock,
    options,
    maintenance,
    superVersions,
    writes,
    seal: sealUnderWay,
  });
  traffic.add(writes);
  traffic.add(reads);

  opened.defer(async () => {
    // The wake-up requests are published after the word that they make threads look at.
    Atomics.store(words, ControlWord.stop, 1);
    writes.wake();
    readers.wake();
    traffic.publish();
    await Promise.all([writer.ended, ...readers.ended]);
    // The writer's last message may be that its last sync failed.
    traffic.drain();
  });
  opened.defer(() => slots.close(CLOSED));
  opened.defer(() => checkpoints.close());
  opened.defer(() => keeper.close());
  opened.defer(() => maintenance.close(CLOSED));
  opened.defer(() => writer.stopAsking());
  opened.defer(() => held.stop());
  const lateTables = new LateTables(
    { clock, conditions, report },
    superVersions.late,
    LATE_SHARES * environment.openingBytes,
    {
      onLoaded: () => {
        // Before the commands that name them.
        superVersions.loaded();
        traffic.release();
        maintenance.start();
        slots.quarantineChanged();
      },
      onFailed: (error) => {
        // They have been published nowhere, as the threads could not do them, and would wait for nobody knows how long.
        writes.withdraw(error);
        reads.withdraw(error);
        maintenance.stopped(error);
      },
    },
  );
  opened.defer(() => {
    lateTables.close();
    if (!traffic.isHeld) return;
    // The threads know no table, so nothing is asked of them but to end.
    writes.withdraw(CLOSED);
    reads.withdraw(CLOSED);
    traffic.release();
  });
  held.start();
  writer.start();
  for (let reader = 0; reader < options.readers; reader++) readers.start(reader);
  if (superVersions.late.length > 0) traffic.hold();
  lateTables.start();
  // The writer may have said already that it has begun its log, or that it could not.
  traffic.drain();
  return {
    options,
    expiryNowMs,
    executor,
    words,
    conditions,
    held,
    arenas,
    superVersions,
    snapshots,
    lateTables,
    cache,
    writer,
    readers,
    writes,
    reads,
    maintenance,
    ingestion,
    largeBatches,
    slots,
    checkpoints,
    seal,
    opened,
  };
}
