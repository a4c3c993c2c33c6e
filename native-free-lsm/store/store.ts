import { resolve } from 'node:path';
import { directoryFault, refuse, requireSink } from '../arguments.ts';
import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import { isEmptyRange, type ScanRange } from '../iterator/key-range.ts';
import { rangeRecord } from '../log/write-operation.ts';
import { completeOptions, type EngineOptions } from '../options.ts';
import type { SlotVersions } from '../slots/slot-versions.ts';
import type { EngineThreads } from '../threads/engine-threads.ts';
import { flushLongLogs } from './closing-flush.ts';
import { completeEnvironment, type Environment } from './environment.ts';
import { type IngestRequest, ingestFault } from './ingestion.ts';
import type { OpeningHeld } from './opening-held.ts';
import type { ReadPath } from './read-path.ts';
import { ReadableStore } from './readable-store.ts';
import { recover } from './recovery.ts';
import {
  answerWrite,
  type DirectBatch,
  type KeyCondition,
  type KeyedRecord,
  type WriteSink,
  WriteStatus,
} from './sinks.ts';
import { digestsFault, recordsFault, slotFault, slotsFault } from './slot-checks.ts';
import type { SlotKeeper } from './slot-keeper.ts';
import { collectStats, type EngineStats } from './stats.ts';
import type { StoreSnapshot } from './store-snapshot.ts';
import { CLOSED, type StoreParts, wireStore } from './wire-store.ts';
import {
  batchFault,
  clearFault,
  conditionalBatchFault,
  fitsMemtable,
  isOrdinary,
  largeBatchFault,
  NEVER,
  putFault,
  timeoutFault,
} from './write-checks.ts';
import type { WriteQueue } from './write-queue.ts';
import type { WriterChannel } from './writer-channel.ts';

/**
 * A store of records by key on the main thread. It checks its arguments and hands the request to the part that does it
 * (see wireStore). Nothing here blocks or touches the disk once `open` has returned.
 */
export class RecordStore extends ReadableStore {
  /** What ends of lives are compared with, as in `Environment.expiryNowMs`. */
  readonly expiryNowMs: () => number;
  readonly #parts: StoreParts;
  /** What the deadlines of writes are compared with. */
  readonly #clock: EngineClock;
  readonly #writer: WriterChannel;
  readonly #writes: WriteQueue;
  readonly #reads: ReadPath;
  readonly #held: OpeningHeld;
  readonly #slots: SlotKeeper;
  #closing: Promise<void> | undefined;

  private constructor(parts: StoreParts) {
    super(parts);
    this.#parts = parts;
    this.expiryNowMs = parts.expiryNowMs;
    this.#clock = parts.executor.clock;
    this.#writer = parts.writer;
    this.#writes = parts.writes;
    this.#reads = parts.reads;
    this.#held = parts.held;
    this.#slots = parts.slots;
  }

  /**
   * Opens `directory`, making it if necessary, and recovers what it holds.
   * @throws LsmError LOCKED, FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT, NO_SPACE, IO_ERROR,
   *   INVALID_ARGUMENT
   */
  static open(
    directory: string,
    options: Partial<EngineOptions> = {},
    environment: Partial<Environment> = {},
  ): RecordStore {
    refuse(directoryFault('directory', directory));
    const complete = completeOptions(options);
    const surroundings = completeEnvironment(environment);
    // The process may change its working directory later.
    const place = resolve(directory);
    const state = recover(
      surroundings.fs,
      place,
      complete,
      surroundings.report,
      surroundings.drawHashSeed,
      surroundings.openingBytes,
    );
    return new RecordStore(wireStore(place, surroundings, state));
  }

  /** The largest timestamp of any record in the store. */
  get newestTimestamp(): number {
    const { arenas, superVersions } = this.#parts;
    let newest = superVersions.current.largestTimestamp;
    for (let g = arenas.activeGeneration; g >= superVersions.current.oldestGeneration; g--) {
      newest = Math.max(newest, arenas.memtable(g).largestTimestamp);
    }
    return newest;
  }

  /** Whether the next write may be refused with OVERLOADED because too many wait. */
  get isFull(): boolean {
    return this.#writes.isFull;
  }

  /** Calls back once when it is not full any more, or closed. */
  whenRoom(callback: () => void): void {
    this.#writes.whenRoom(callback);
  }

  /**
   * Puts a record unless the same or a newer version of the key is there.
   * @param timeoutMs a write that has not begun after this time fails with OVERLOADED; infinite for none
   * @param isSynced whether it is answered when it is on the disk, whatever the durability
   */
  write(
    key: Uint8Array,
    record: Uint8Array,
    sink: WriteSink,
    token: number,
    timeoutMs = NEVER,
    isSynced = false,
  ): void {
    requireSink(sink, 'onWrite', token);
    const fault = this.#refusal ?? putFault(this.options, key, record) ?? timeoutFault(timeoutMs);
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else if (timeoutMs === NEVER) this.#writes.put(key, record, sink, token, timeoutMs, isSynced);
    else this.#writes.put(key, record, sink, token, this.#clock.monotonicMs() + timeoutMs, isSynced);
  }

  /**
   * Deletes all keys of a range by one record, however many there are. It must be newer than everything that was written
   * before: if not, the sink is told that it is stale, and the timestamp which it has to exceed.
   */
  clear(range: ScanRange, timestamp: number, sink: WriteSink, token: number, isSynced = false): void {
    requireSink(sink, 'onWrite', token);
    const record = rangeRecord(timestamp, range.end);
    const fault = this.#refusal ?? clearFault(this.options, range, record);
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else if (isEmptyRange(range)) answerWrite(sink, token, WriteStatus.applied, 0, 0, null);
    else this.#writes.range({ key: range.start, record }, sink, token, isSynced);
  }

  /**
   * Puts several records that become durable and visible together. More than `maxBatchBytes` do not go through the log:
   * they are on the disk when they are answered, and writes that are called meanwhile may be answered, and survive a
   * crash, before them. One with `isRange` is as `clear`: then the whole batch is stale if that is.
   */
  writeBatch(puts: readonly KeyedRecord[], sink: WriteSink, token: number, isSynced = false): void {
    requireSink(sink, 'onWrite', token);
    const { options } = this;
    const refusal = this.#refusal ?? batchFault(options, puts);
    const fits = refusal === undefined && fitsMemtable(options, puts);
    const fault = refusal ?? (fits ? undefined : largeBatchFault(options, puts));
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else if (fits) this.#writes.batch(puts, sink, token, isSynced);
    else this.#parts.largeBatches.write(puts, sink, token);
  }

  /** As `writeBatch`, for whoever has no records yet. */
  writeDirectly(batch: DirectBatch, sink: WriteSink, token: number, isSynced = false): void {
    requireSink(sink, 'onWrite', token);
    if (
      this.#refusal === undefined &&
      isOrdinary(this.options, batch) &&
      this.#writes.pushDirectly(batch, sink, token, isSynced)
    )
      return;
    this.writeBatch(batch.puts(), sink, token, isSynced);
  }

  /**
   * Puts several records, as `writeBatch` does, if all conditions are met when their turn comes: no other write comes
   * between. If not, the sink is told `unmet`, and which.
   */
  writeIf(
    conditions: readonly KeyCondition[],
    puts: readonly KeyedRecord[],
    sink: WriteSink,
    token: number,
    isSynced = false,
  ): void {
    requireSink(sink, 'onWrite', token);
    const fault = this.#refusal ?? conditionalBatchFault(this.options, puts, conditions);
    if (fault !== undefined) answerWrite(sink, token, WriteStatus.failed, 0, 0, fault);
    else this.#writes.conditionalBatch(conditions, puts, sink, token, isSynced);
  }

  /**
   * Takes many records from outside at the price of writing them once: they go into tables of the last level, below all
   * that is there, without log and memtable. Durable on return. Meanwhile writes whose timestamp is not above
   * `largestTimestamp` wait, as they must be compared with what is taken.
   * @returns packed records that the caller must put, because something older of their keys lies above; null: nothing
   *   was taken, because more would have to be rewritten for them than it is worth
   * @throws LsmError INVALID_ARGUMENT also for entries that are not in order or no records; CORRUPTION, NO_SPACE,
   *   IO_ERROR: nothing was taken
   */
  async ingest(request: IngestRequest): Promise<Uint8Array | null> {
    refuse(this.#refusal ?? ingestFault(request));
    return this.#parts.ingestion.take(request);
  }

  /**
   * The digests of slots, two words for each: equal in two engines that hold the same, see SlotRows.fold.
   * @param minFroms for each slot, the smallest `from` that counts, at least 1
   */
  slotDigests(slots: Uint16Array, minFroms: Uint8Array, signal?: AbortSignal): Promise<Uint32Array> {
    const fault = digestsFault(slots, minFroms, signal);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#slots.digests(slots, minFroms, signal);
  }

  /**
   * The versions of all keys of a slot, by fingerprint, that tables and memtables hold.
   * @throws the reason of the signal when it is aborted; LsmError CORRUPTION, IO_ERROR, CLOSED
   */
  slotVersions(slot: number, signal?: AbortSignal): Promise<SlotVersions> {
    const fault = slotFault(slot, signal);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#slots.versions(slot, signal);
  }

  /**
   * The newest records of a slot's keys, of some fingerprints: two words for each, `high` and `low`. It leaves out what
   * is beyond `maxBytes`, but not the first record, and fingerprints that no key has.
   */
  slotRecords(
    slot: number,
    fingerprints: Uint32Array,
    maxBytes: number,
    signal?: AbortSignal,
  ): Promise<KeyedRecord[]> {
    const fault = recordsFault(slot, fingerprints, maxBytes, signal);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#slots.records(slot, fingerprints, maxBytes, signal);
  }

  /**
   * The largest timestamp of what the slot may have lost by damage: of what cannot be read here, and is in no other table
   * in that version or a newer one. 0: nothing is lost, as far as anybody has looked. Digests and versions have what is
   * lost as the version just below its own, so whoever brings what is newer heals it.
   */
  lostTo(slot: number): number {
    // A table that is not loaded yet may be damaged.
    const { lateTables, maintenance } = this.#parts;
    lateTables.finishUnlessFailing();
    return Math.max(this.#slots.lostTo(slot), maintenance.damagedTo, lateTables.unknownTo);
  }

  /** How often something has come to be lost since the opening: what was found out before is not true of it. */
  get losses(): number {
    return this.#slots.losses;
  }

  /** Looks whether what was lost in these slots is there again, so that `lostTo` knows it. */
  lookForLost(slots: Uint16Array, signal?: AbortSignal): Promise<void> {
    const fault = slotsFault(slots, signal);
    if (fault !== undefined) return Promise.reject(fault);
    return this.#slots.lookForLost(slots, signal);
  }

  /**
   * All owners of these slots have been asked for what is lost in them: what may have been purged by the slots'
   * watermarks, and none of them had, was purged.
   */
  giveUpPurged(slots: Uint16Array): void {
    this.#slots.giveUpPurged(slots);
  }

  /**
   * Of the records with `from` 0 that are lost by now, whoever owns this engine has written anew those that it needs.
   * What an older one of the others says, should it show again, does no harm.
   */
  giveUpPrivate(): void {
    this.#slots.giveUpPrivate();
  }

  /** As `ReadableStore.snapshot`, and with what has been written here. */
  override snapshot(): StoreSnapshot {
    if (this.#closing !== undefined) throw CLOSED;
    return super.snapshot();
  }

  /**
   * Resolves when everything written before is in tables; rejects when a flush fails, though the flush is tried again.
   */
  async flush(): Promise<void> {
    const refusal = this.#refusal;
    if (refusal !== undefined) throw refusal;
    if (!this.#parts.largeBatches.isIdle) await this.#parts.largeBatches.settled();
    await this.#parts.seal();
    // What was sealed is below; an active memtable that was empty is still the active one.
    await this.#parts.maintenance.flushed(this.#parts.arenas.activeGeneration);
  }

  /**
   * Resolves when every write that had been answered before the call is on the disk, whatever the durability.
   * @throws LsmError POISONED, and whatever a write may fail with
   */
  async sync(): Promise<void> {
    const refusal = this.#refusal;
    if (refusal !== undefined) throw refusal;
    // Then none is answered before it is synced.
    if (this.options.durability === 'sync') return;
    await this.#writes.barrier(true);
  }

  /** Flushes, then moves everything to the last level. */
  async compact(): Promise<void> {
    await this.flush();
    await this.#parts.maintenance.compactAll();
  }

  /**
   * Makes a copy of everything written before in another directory, from which an engine can be opened: tables get
   * second names there, or are copied where they cannot. Reads and writes go on meanwhile.
   * @param directory missing or empty, or left by an attempt that was cut short
   * @throws LsmError NOT_EMPTY; LOCKED; NO_SPACE, READ_ONLY, IO_ERROR, OVERLOADED, POISONED; CLOSED; INVALID_ARGUMENT
   */
  async checkpoint(directory: string): Promise<void> {
    refuse(this.#parts.checkpoints.fault(directory));
    const target = resolve(directory);
    await this.flush();
    if (this.#closing !== undefined) throw CLOSED;
    await this.#parts.checkpoints.make(target);
  }

  /**
   * Watermarks were raised: compactions drop what may go by them as they come along, and this has tables rewritten that
   * are mostly of such, when nothing else is to be done. A memtable that is mostly of such is flushed for it.
   */
  purge(): void {
    const isRefused = this.#closing !== undefined || this.#writer.fault !== undefined;
    if (isRefused || this.#held.reason !== undefined) return;
    // What fails is tried again by the maintenance, which has told its conditions.
    if (this.#slots.isMemtablePurgeable) this.flush().catch(() => {});
    this.#parts.maintenance.purge();
    this.#slots.checkLost();
  }

  /** Resolves when no flush and no compaction is due; rejects when one fails. */
  maintenanceIdle(): Promise<void> {
    return this.#parts.maintenance.idle();
  }

  /** Undefined where the engine runs on this thread. */
  get threads(): EngineThreads | undefined {
    return this.#parts.executor.threads;
  }

  /**
   * Has threads that wait for work look up: what was asked of their handles is done then. It gives them no work, and one
   * that is about to wait may miss it: call it until they have done as they were asked.
   */
  wakeThreads(): void {
    this.#writes.nudge();
    this.#parts.readers.nudge();
    this.#parts.executor.kick();
  }

  /** Figures of this moment, as plain data. */
  stats(): EngineStats {
    return collectStats(this.#parts, this.#closing !== undefined);
  }

  /**
   * Resolves when everything accepted is written and synced, and all threads are gone.
   * @throws LsmError POISONED when the last sync failed, or one before of which no call was told: with a durability below
   *   `sync`, what was acknowledged may be lost. The directory is unlocked in any case
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // Before the flush below, which tells nobody what it is told.
    const { isFaultTold } = this.#writer;
    this.#writer.stopAsking();
    this.#held.stop();
    this.#parts.lateTables.finish();
    // No thread can do what writes still ask for.
    if (this.#parts.superVersions.late.length > 0) this.#writes.close(CLOSED);
    // First, as what the disk may have or not holds back what the rest waits behind.
    this.#parts.maintenance.closing();
    if (!this.#parts.largeBatches.isIdle) await this.#parts.largeBatches.settled();
    await flushLongLogs(this.#parts);
    await this.#writes.idle();
    this.#writes.close(CLOSED);
    this.#reads.close(CLOSED);
    this.#parts.snapshots.releaseAll();
    const before = this.#writer.fault;
    await this.#parts.opened[Symbol.asyncDispose]();
    const { fault } = this.#writer;
    // Of what was synced before it was acknowledged nothing is lost by what came later.
    const mayHaveLost = before === undefined || this.options.durability !== 'sync';
    if (fault !== undefined && mayHaveLost && !isFaultTold) throw fault;
  }

  /** Why no write is accepted now, for a caller who is told so. */
  get #refusal(): LsmError | undefined {
    return this.#closing === undefined ? (this.#writer.tellFault() ?? this.#held.reason) : CLOSED;
  }
}
