import type { EngineClock } from '../clock.ts';
import type { IngestSource } from '../compaction/ingest.ts';
import {
  type CompactionTask,
  type PickerOptions,
  pickCompaction,
  pickPurge,
  pickRewrite,
} from '../compaction/picker.ts';
import { isWorthPurging } from '../compaction/purgeable.ts';
import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { logFileName } from '../log/log-format.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import { ControlWord } from '../shared/control.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { BackgroundJob, BackgroundResult } from '../threads/protocol/posted-messages.ts';
import type { Manifest } from '../version/manifest.ts';
import { LEVELS } from '../version/version.ts';
import type { Arenas } from './arenas.ts';
import type { BackgroundJobs } from './background-jobs.ts';
import { CompactionRetry } from './compaction-retry.ts';
import type { EngineConditions, Worker } from './conditions.ts';
import { DamagedTables } from './damaged-tables.ts';
import { LogNote } from './log-note.ts';
import { Retry } from './retry.ts';
import type { SuperVersions } from './super-versions.ts';
import { VersionCommits } from './version-commits.ts';
import { Waiters } from './waiters.ts';

const SLOWDOWN_STEP_MICROS = 1000;
const MAX_SLOWDOWN_MICROS = 10_000;
const ARENA_LOOK_MS = 5;
const CLOSED = new LsmError('CLOSED', 'the engine is closed');

interface MaintenanceParts {
  readonly directory: string;
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  readonly expiryNowMs: () => number;
  readonly options: EngineOptions;
  readonly control: SharedArrayBuffer;
  readonly jobs: BackgroundJobs;
  readonly superVersions: SuperVersions;
  readonly arenas: Arenas;
  readonly manifest: Manifest;
  readonly nextFileId: number;
  readonly hashSeed: HashSeed;
  readonly report: (message: string) => void;
  readonly conditions: EngineConditions;
  /** Whether nothing may be written now; the maintenance is woken when that is over. */
  readonly isHeld: () => boolean;
  /** No arena is left for the writer's next memtable, so whatever pins one must give it up. */
  readonly onArenasShort: () => void;
  /** A memtable is in tables now. @param slots those of its keys, by SlotSet */
  readonly onFlushed: (generation: number, slots: Uint8Array) => void;
  /** Records from outside are in tables now. @param slots those of their keys, by SlotSet */
  readonly onIngested: (slots: Uint8Array) => void;
  /** Something of a table could not be read, and is in no other. */
  readonly onLost: () => void;
  /** A table in quarantine was removed. */
  readonly onQuarantineChanged: () => void;
}

/**
 * Keeps the tree in shape: has sealed memtables flushed, picks compactions, commits their results to the manifest and
 * installs the new super-version. It runs on the main thread and only decides; the pool does the work.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts;
  readonly #words: Int32Array;
  readonly #busyTables = new Set<number>();
  readonly #flushWaiters = new Waiters();
  readonly #idleWaiters = new Waiters();
  readonly #flushRetry: Retry;
  readonly #compactionRetry: CompactionRetry;
  readonly #commits: VersionCommits;
  readonly #damagedTables: DamagedTables;
  readonly #logNote: LogNote;
  #flushing = false;
  #lookingForArena = false;
  #compacting = 0;
  /** How many callers want everything in the last level. */
  #fullCompactions = 0;
  /** Tables in quarantine that are no longer needed. */
  readonly #healedTables = new Set<number>();
  #isDroppingHealed = false;
  /** Tables may have deletions that can go. */
  #mayPurge = false;
  /** Whether somebody has the turn of `alone`. */
  #isAlone = false;
  /** Whether no compaction may begin, whatever waits for it. */
  #isQuiet = false;
  /** How many wait for that turn. */
  #wantAlone = 0;
  readonly #endWaiters: (() => void)[] = [];
  #closed = false;
  #onJobEnd: (() => void) | undefined;
  lastError: LsmError | undefined;
  flushes = 0;
  compactions = 0;
  bytesFlushed = 0;
  bytesCompacted = 0;
  bytesIngested = 0;
  /** Damaged tables of which everything was found elsewhere. */
  tablesHealed = 0;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    this.#words = new Int32Array(parts.control);
    this.#commits = new VersionCommits(parts.fs, parts.manifest, parts.superVersions, parts.nextFileId);
    this.#logNote = new LogNote({ ...parts, words: this.#words, commits: this.#commits });
    this.#damagedTables = new DamagedTables(parts.superVersions, parts.conditions);
    this.#flushRetry = new Retry('flush', parts, () => this.wake());
    this.#compactionRetry = new CompactionRetry(parts, () => this.wake());
  }

  /** Memtables that wait for their flush. */
  get sealedMemtables(): number {
    return this.#parts.arenas.activeGeneration - this.#parts.superVersions.current.oldestGeneration;
  }

  /** Numbers for tables that are in no version. */
  takeFileIds(count: number): number[] {
    return this.#commits.takeFileIds(count);
  }

  /** The writer has begun its first log. */
  logBegun(generation: number): void {
    this.#logNote.begun(generation);
  }

  /** The writer has switched to the next memtable and log. */
  rotated(generation: number): void {
    this.#commits.rotated(generation);
    this.wake();
  }

  /** Whether writes wait until that work succeeds. */
  stopsWriter(worker: Worker): boolean {
    const { options, superVersions } = this.#parts;
    if (worker === 'flush') return this.sealedMemtables >= options.maxSealedMemtables;
    if (worker !== 'compaction') return true;
    return superVersions.version.levels[0].length >= options.l0StopTables;
  }

  get #busy(): boolean {
    const retrying = this.#flushRetry.pending || this.#compactionRetry.pending;
    const isWorking = this.#flushing || this.#compacting > 0 || this.#isAlone;
    return isWorking || this.sealedMemtables > 0 || retrying;
  }

  /** Looks for work: after a rotation, a flush, a compaction, an opening. */
  wake(): void {
    if (this.#closed || this.#parts.isHeld()) return;
    this.#logNote.look();
    this.steerWriter();
    this.#flushNext();
    this.#compactNext();
    this.#dropHealed();
    this.#flushWaiters.look();
    this.#idleWaiters.look();
  }

  /**
   * Slows the writer down before it must stop, and gives it a new memtable only while flushes keep up. Call it after
   * everything that changes one of the two, or frees a memtable.
   */
  steerWriter(): void {
    if (this.#closed) return;
    const { arenas, options, superVersions } = this.#parts;
    const l0Tables = superVersions.version.levels[0].length;
    const excess = l0Tables - options.l0SlowdownTables + 1;
    const micros = excess > 0 ? Math.min(excess * SLOWDOWN_STEP_MICROS, MAX_SLOWDOWN_MICROS) : 0;
    // A hint that the writer reads after each batch; nothing is ordered by it.
    Atomics.store(this.#words, ControlWord.slowdownMicros, micros);
    if (this.stopsWriter('flush') || this.stopsWriter('compaction')) return;
    const announce = (index: number, memory: SharedArrayBuffer): void =>
      superVersions.announceArena(index, memory);
    if (arenas.offer(announce)) return;
    this.#parts.onArenasShort();
    if (arenas.offer(announce) || this.#lookingForArena) return;
    // Memtables that are in tables become free when the threads switch to the newest super-version; a thread that waits
    // does not say when it does.
    this.#lookingForArena = true;
    this.#parts.clock.after(ARENA_LOOK_MS, () => {
      this.#lookingForArena = false;
      if (this.#closed) return;
      superVersions.collect();
      this.wake();
    });
  }

  /**
   * Resolves when no memtable below `generation` waits; rejects when a flush fails, though the flush is tried again.
   */
  flushed(generation: number): Promise<void> {
    return this.#flushWaiters.until(() => this.#parts.superVersions.current.oldestGeneration >= generation);
  }

  /** Resolves when no memtable waits and no compaction is due; rejects when one fails. */
  idle(): Promise<void> {
    return this.#idleWaiters.until(() => !this.#busy);
  }

  /** Moves everything down to the last level, merging on the way. */
  async compactAll(): Promise<void> {
    this.#fullCompactions++;
    try {
      this.wake();
      await this.idle();
    } finally {
      this.#fullCompactions--;
    }
  }

  /** Watermarks were raised: has what may go now purged, when nothing else is to be done. */
  purge(): void {
    this.#mayPurge = true;
    this.wake();
  }

  /**
   * Runs something that adds to the last level; callers take turns.
   * @param work calls `quiet` before it looks at the levels. From then on it runs beside no compaction, because what both
   *   write could overlap. Until then compactions may begin that the writer waits for: so `work` may wait for the writer.
   *   (Ingestion, writers and compactions that waited for each other are rocksdb #1480.)
   * @throws LsmError CLOSED, and what `work` throws
   */
  async alone<Result>(work: (quiet: () => Promise<void>) => Promise<Result>): Promise<Result> {
    this.#wantAlone++;
    try {
      while (this.#isAlone || this.#compacting > 0) await this.#nextEnd();
      if (this.#closed) throw CLOSED;
      this.#isAlone = true;
    } finally {
      this.#wantAlone--;
    }
    try {
      return await work(async () => {
        while (this.#compacting > 0) await this.#nextEnd();
        if (this.#closed) throw CLOSED;
        this.#isQuiet = true;
      });
    } finally {
      this.#isAlone = false;
      this.#isQuiet = false;
      this.#ended();
    }
  }

  /**
   * Has records from outside written to the last level, and puts them in force. Call it within `alone`, once it is quiet.
   * @param source what to write, and what lies above and beside it
   * @returns what must be put instead, packed
   * @throws LsmError: nothing was written
   */
  async ingest(source: IngestSource): Promise<Uint8Array> {
    const { directory, hashSeed, options } = this.#parts;
    const beside = source.overlapping.map(({ metadata }) => metadata);
    const rawBytes = beside.reduce((sum, table) => sum + table.rawSizeBytes + 64 * table.entries, 0);
    const job = {
      type: 'ingest',
      spec: {
        ...source,
        directory,
        outputLevel: LEVELS - 1,
        fileIds: this.#commits.takeFileIds(
          4 + Math.ceil((rawBytes + source.entries.byteLength) / options.targetFileBytes) * 2,
        ),
        targetFileBytes: options.targetFileBytes,
        table: tableOptions(options, true, hashSeed),
        maxRecordBytes: options.maxRecordBytes,
        maxOpenFiles: options.maxOpenFilesPerThread,
        hashSeed,
        // Nothing is dropped: a compaction decides about that.
        bottommost: false,
        dropTombstonesBelow: 0,
        watermarks: null,
        nowMs: 0,
      },
    } as const;
    const result = await this.#parts.jobs.run(job);
    if (this.#closed) throw CLOSED;
    const added = result.tables.map(({ metadata }) => metadata);
    await this.#commits.commit({ added, removed: beside.map(({ id }) => id) }, result.tables);
    this.#damagedTables.taken(beside);
    this.#parts.onIngested(result.slots);
    for (const { fileSizeBytes } of added) this.bytesIngested += fileSizeBytes;
    return result.left;
  }

  /** Something of a table could not be read: what can be is brought to other tables, and the table is set aside. */
  damageFound(error: LsmError): void {
    if (this.#damagedTables.found(error)) this.wake();
  }

  /** No version with a larger timestamp is lost in damaged tables that have not been set aside. */
  get damagedTo(): number {
    return this.#damagedTables.damagedTo;
  }

  /** All that a table in quarantine holds is in other tables, or nobody needs it: the table may go. */
  healed(tableId: number): void {
    this.#healedTables.add(tableId);
    this.#dropHealed();
  }

  /** Starts nothing more; running jobs give up. */
  async close(error: LsmError): Promise<void> {
    this.#closed = true;
    this.#logNote.close();
    // The jobs read it now and then; nothing is ordered by it.
    Atomics.store(this.#words, ControlWord.cancelBackground, 1);
    this.#fail(error);
    while (this.#flushing || this.#compacting > 0 || this.#isAlone || this.#isDroppingHealed) {
      await new Promise<void>((resolve) => {
        this.#onJobEnd = resolve;
      });
    }
  }

  #flushNext(): void {
    if (this.#flushing || this.sealedMemtables === 0 || this.#flushRetry.pending) return;
    const { arenas, directory, options, superVersions, expiryNowMs, hashSeed } = this.#parts;
    const generation = superVersions.current.oldestGeneration;
    this.#flushing = true;
    const table = tableOptions(options, false, hashSeed);
    const job = {
      type: 'flush',
      directory,
      arena: arenas.memory(generation),
      generation,
      fileIds: this.#commits.takeFileIds(2 + Math.ceil(options.memtableBytes / options.targetFileBytes) * 2),
      targetFileBytes: options.targetFileBytes,
      table,
      nowMs: expiryNowMs(),
    } as const;
    const commit = async ({ slots, tables }: BackgroundResult): Promise<void> => {
      const added = tables.map(({ metadata }) => metadata);
      await this.#commits.commit({ added, removed: [], oldestGeneration: generation + 1 }, tables);
      this.#parts.onFlushed(generation, slots);
      this.flushes++;
      for (const { fileSizeBytes } of added) this.bytesFlushed += fileSizeBytes;
      // It is obsolete from now on: if it stays, the next start removes it.
      const log = `${directory}/${logFileName(generation)}`;
      await this.#parts.fs.remove(log).catch((error: Error) => this.#parts.report(error.message));
    };
    this.#run(
      job,
      commit,
      () => this.#flushRetry.works(),
      (error) => this.#flushFailed(error),
    ).finally(() => {
      this.#flushing = false;
      this.#ended();
    });
  }

  #compactNext(): void {
    if (this.#isQuiet) return;
    // Whoever waits for its turn may wait for the writer as well.
    if ((this.#isAlone || this.#wantAlone > 0) && !this.stopsWriter('compaction')) return;
    const { options, superVersions } = this.#parts;
    const full = this.#fullCompactions > 0;
    const pickerOptions = {
      l0Trigger: full ? 1 : options.l0CompactionTables,
      baseLevelBytes: full ? Number.POSITIVE_INFINITY : options.baseLevelBytes,
      levelMultiplier: options.levelMultiplier,
      maxTaskBytes: options.maxCompactionBytes,
    };
    const pick = (heldTables: ReadonlySet<number>): CompactionTask | null =>
      pickCompaction(superVersions.version, this.#busyTables, pickerOptions, heldTables);
    while (this.#compacting < Math.max(1, options.maxBackgroundJobs - 1)) {
      const task =
        this.#compactionRetry.pick(pick) ??
        this.#pickRewrite(pickerOptions) ??
        this.#pickPurge(pickerOptions);
      if (task === null) {
        if (this.#compacting === 0) this.#compactionRetry.nothingDue();
        return;
      }
      this.#compact(task);
    }
  }

  #pickRewrite(options: PickerOptions): CompactionTask | null {
    const { hasSuspects, isSuspected } = this.#damagedTables;
    if (!hasSuspects) return null;
    const { version } = this.#parts.superVersions;
    return this.#compactionRetry.pick((held) =>
      pickRewrite(version, this.#busyTables, options, isSuspected, held),
    );
  }

  /** What fails is tried again with the next wake: the table is known to be damaged as long as it is there. */
  #dropHealed(): void {
    const { superVersions, report } = this.#parts;
    if (this.#healedTables.size === 0 || this.#isDroppingHealed || this.#closed || this.#parts.isHeld())
      return;
    const healed = superVersions.version.quarantine.filter(({ id }) => this.#healedTables.has(id));
    this.#healedTables.clear();
    if (healed.length === 0) return;
    this.#isDroppingHealed = true;
    const paths = healed.map(({ id }) => superVersions.handle(id).path);
    this.#commits
      .commit({ added: [], removed: healed.map(({ id }) => id) }, [])
      .then(
        () => {
          this.tablesHealed += healed.length;
          for (const path of paths)
            report(`${path} was damaged; other tables have all that it held now, and it is removed`);
          this.#parts.onQuarantineChanged();
        },
        (error: unknown) => {
          report(toLsmError(error, 'remove a healed table').message);
          for (const { id } of healed) this.#healedTables.add(id);
        },
      )
      .finally(() => {
        this.#isDroppingHealed = false;
        this.#ended();
      });
  }

  /** One at a time, as nobody waits for it. */
  #pickPurge(options: PickerOptions): CompactionTask | null {
    const { watermarks } = this.#parts.options;
    if (!this.#mayPurge || watermarks === null || this.#compacting > 0) return null;
    const timestamps = new Float64Array(watermarks);
    const nowMs = this.#parts.expiryNowMs();
    const isPurgeable = (table: TableMetadata): boolean => {
      const { slots } = this.#parts.superVersions.handle(table.id);
      // Of a damaged table nothing is dropped.
      if (slots === null || this.#damagedTables.among([table]).length > 0) return false;
      return isWorthPurging(slots.head, timestamps, nowMs);
    };
    const task = this.#compactionRetry.pick((held) =>
      pickPurge(this.#parts.superVersions.version, this.#busyTables, options, isPurgeable, held),
    );
    // While others wait after a failure, which may have been of a purge, none was looked for.
    this.#mayPurge = task !== null || this.#compactionRetry.pending;
    return task;
  }

  #compact(task: CompactionTask): void {
    const tables = [...task.inputs, ...task.overlapping];
    for (const { id } of tables) this.#busyTables.add(id);
    this.#compacting++;
    const done = task.trivialMove ? this.#move(task) : this.#merge(task);
    done.then(() => {
      for (const { id } of tables) this.#busyTables.delete(id);
      this.#compacting--;
      this.#ended();
    });
  }

  async #move(task: CompactionTask): Promise<void> {
    const added = task.inputs.map((table) => ({ ...table, level: task.outputLevel }));
    try {
      await this.#commits.commit({ added, removed: task.inputs.map(({ id }) => id) }, []);
      this.#compactionRetry.worked(task.inputs);
    } catch (error) {
      this.#compactionFailed(toLsmError(error, 'compaction'), task.inputs);
    }
  }

  async #merge(task: CompactionTask): Promise<void> {
    const { directory, expiryNowMs, options, superVersions } = this.#parts;
    const inputs = [...task.inputs, ...task.overlapping];
    const rawBytes = inputs.reduce((sum, table) => sum + table.rawSizeBytes + 64 * table.entries, 0);
    const damaged = this.#damagedTables.among(inputs);
    const job = {
      type: 'merge',
      spec: {
        directory,
        inputs: inputs.map(({ id }) => superVersions.handle(id)),
        damaged,
        outputLevel: task.outputLevel,
        fileIds: this.#commits.takeFileIds(4 + Math.ceil(rawBytes / options.targetFileBytes) * 2),
        targetFileBytes: options.targetFileBytes,
        table: tableOptions(options, task.bottommost, this.#parts.hashSeed),
        // What is dropped could no longer hide what a damaged table may hold.
        bottommost: task.bottommost && damaged.length === 0,
        dropTombstonesBelow: options.dropTombstonesBelow,
        // A copy, as threads must not read a float64 while it is written; they are only raised, so it drops no more.
        watermarks: task.bottommost && options.watermarks !== null ? options.watermarks.slice(0) : null,
        nowMs: expiryNowMs(),
      },
    } as const;
    const commit = async (result: BackgroundResult): Promise<void> => {
      const outputs = result.tables.map(({ metadata }) => metadata);
      const added = [...outputs, ...this.#damagedTables.quarantined(inputs, result.damaged)];
      await this.#commits.commit({ added, removed: inputs.map(({ id }) => id) }, result.tables);
      this.#damagedTables.taken(inputs);
      if (result.damaged.length > 0) this.#parts.onLost();
      for (const { message } of result.damaged)
        this.#parts.report(
          `a damaged table was set aside, what could be read of it is in others: ${message}`,
        );
      this.compactions++;
      for (const { fileSizeBytes } of outputs) this.bytesCompacted += fileSizeBytes;
    };
    await this.#run(
      job,
      commit,
      () => this.#compactionRetry.worked(inputs),
      (error) => this.#compactionFailed(error, inputs),
    );
  }

  async #run(
    job: BackgroundJob['job'],
    commit: (result: BackgroundResult) => Promise<void>,
    onWorked: () => void,
    onFailed: (error: LsmError) => void,
  ): Promise<void> {
    try {
      const result = await this.#parts.jobs.run(job);
      if (this.#closed) return;
      await commit(result);
      // Damage stays, whatever else succeeds.
      if (this.lastError?.code !== 'CORRUPTION') this.lastError = undefined;
      onWorked();
    } catch (error) {
      onFailed(toLsmError(error, job.type === 'flush' ? 'flush' : 'compaction'));
    }
  }

  /** Resolves when one of the background works has ended. */
  #nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#endWaiters.push(resolve));
  }

  #ended(): void {
    for (const resolve of this.#endWaiters.splice(0)) resolve();
    if (this.#closed) this.#onJobEnd?.();
    else this.wake();
  }

  #fail(error: LsmError): void {
    this.#flushWaiters.fail(error);
    this.#idleWaiters.fail(error);
  }

  /** Tries again later: what could not be flushed stays in its memtable and log. */
  #flushFailed(error: LsmError): void {
    if (this.#closed) return;
    this.lastError = error;
    this.#flushRetry.failed(error);
    this.#fail(error);
  }

  #compactionFailed(error: LsmError, inputs: readonly TableMetadata[]): void {
    if (this.#closed) return;
    this.lastError = error;
    const isOfInput = inputs.some(({ id }) => this.#parts.superVersions.handle(id).path === error.file);
    const isKnown = this.#damagedTables.hasCaused(error, inputs);
    this.#compactionRetry.failed(error, inputs, isOfInput, !isKnown);
    this.#idleWaiters.fail(error);
  }
}
