import type { EngineClock } from '../clock.ts';
import type { BatchSource } from '../compaction/batch-tables.ts';
import type { IngestSource } from '../compaction/ingest.ts';
import type { CompactionTask } from '../compaction/picker.ts';
import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { logFileName } from '../log/log-format.ts';
import type { EngineOptions } from '../options.ts';
import { ControlWord } from '../shared/control.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import type { BackgroundJob, BackgroundResult } from '../threads/protocol/posted-messages.ts';
import type { Manifest } from '../version/manifest.ts';
import { Alarm } from './alarm.ts';
import type { Arenas } from './arenas.ts';
import type { BackgroundJobs } from './background-jobs.ts';
import { CompactionRetry } from './compaction-retry.ts';
import type { EngineConditions, Worker } from './conditions.ts';
import { DamagedTables } from './damaged-tables.ts';
import { DueCompactions } from './due-compactions.ts';
import { HealedTables } from './healed-tables.ts';
import type { LockWatch } from './lock-watch.ts';
import { LogNote } from './log-note.ts';
import { LoneWork } from './lone-work.ts';
import { Retry } from './retry.ts';
import type { SuperVersions } from './super-versions.ts';
import { TableJobs } from './table-jobs.ts';
import { VersionCommits } from './version-commits.ts';
import { Waiters } from './waiters.ts';
import { WriterPace } from './writer-pace.ts';

type BatchJob = BackgroundJob['job'];
type MakeBatchJob = (source: BatchSource, level: number) => BatchJob;

const DOUBT_RETRY_MS = 100;
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
  readonly lockWatch: LockWatch;
  readonly nextFileId: number;
  readonly hashSeed: HashSeed;
  readonly report: (message: string) => void;
  readonly conditions: EngineConditions;
  /** Whether nothing may be written now; the maintenance is woken when that is over. */
  readonly isHeld: () => boolean;
  /**
   * Whether a large batch is on its way: what was called after it may be in tables before, and a deletion among that must
   * stay until it has something to hide. It is over by the end of the batch's turn.
   */
  readonly awaitsBatch: () => boolean;
  /** It is not known for so long whether what came from outside is on the disk, as the manifest cannot be written. */
  readonly onDoubtLasts: (forMs: number) => void;
  /** No arena is left for the writer's next memtable, so whatever pins one must give it up. */
  readonly onArenasShort: () => void;
  /** Whether `onFlushed` needs to know the slots of a memtable that is flushed from now on. */
  readonly usesFlushedSlots: () => boolean;
  /** A memtable is in tables now. @param slots those of its keys, and maybe others, by SlotSet */
  readonly onFlushed: (generation: number, slots: Uint8Array) => void;
  /**
   * Versions are in tables now that were not there before and are in no memtable, or have expired there. @param slots
   * those of their keys, by SlotSet
   */
  readonly onSlotsChanged: (slots: Uint8Array) => void;
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
  readonly #flushWaiters = new Waiters();
  readonly #idleWaiters = new Waiters();
  readonly #flushRetry: Retry;
  readonly #compactionRetry: CompactionRetry;
  readonly #commits: VersionCommits;
  readonly #damagedTables: DamagedTables;
  readonly #dueCompactions: DueCompactions;
  readonly #healedTables: HealedTables;
  readonly #tableJobs: TableJobs;
  readonly #loneWork: LoneWork;
  readonly #writerPace: WriterPace;
  readonly #logNote: LogNote;
  /** Rings when so much has expired in a table that it is worth a rewrite. */
  readonly #expiryAlarm: Alarm;
  #flushing = false;
  readonly #flushEndWaiters: (() => void)[] = [];
  #compacting = 0;
  /** How many callers want everything in the last level. */
  #fullCompactions = 0;
  #isStarted = false;
  /** Whether the last look for work has failed. */
  #cannotLook = false;
  #isClosing = false;
  #closed = false;
  #onJobEnd: (() => void) | undefined;
  lastError: LsmError | undefined;
  flushes = 0;
  compactions = 0;
  bytesFlushed = 0;
  bytesCompacted = 0;
  bytesIngested = 0;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    this.#words = new Int32Array(parts.control);
    this.#commits = new VersionCommits(
      parts.fs,
      parts.manifest,
      parts.lockWatch,
      parts.superVersions,
      parts.nextFileId,
    );
    const onTried = (): void => this.steerWriter();
    this.#logNote = new LogNote({ ...parts, words: this.#words, commits: this.#commits, onTried });
    this.#damagedTables = new DamagedTables(parts.superVersions, parts.conditions);
    this.#flushRetry = new Retry('flush', parts, () => this.wake());
    this.#compactionRetry = new CompactionRetry(parts, () => this.wake());
    this.#dueCompactions = new DueCompactions({
      ...parts,
      damagedTables: this.#damagedTables,
      retry: this.#compactionRetry,
    });
    this.#expiryAlarm = new Alarm(parts.clock, parts.expiryNowMs, () => this.wake());
    this.#loneWork = new LoneWork({
      check: () => {
        if (this.#closed) throw CLOSED;
      },
      isBarred: () => this.#compacting > 0,
      onEnd: () => this.#ended(),
    });
    this.#writerPace = new WriterPace({
      ...parts,
      words: this.#words,
      onArenaLook: () => {
        if (this.#closed) return;
        parts.superVersions.collect();
        this.wake();
      },
    });
    this.#tableJobs = new TableJobs({ ...parts, takeFileIds: (count) => this.takeFileIds(count) });
    this.#healedTables = new HealedTables({
      ...parts,
      commits: this.#commits,
      onRemoved: parts.onQuarantineChanged,
      onEnd: () => this.#ended(),
    });
  }

  /** Damaged tables of which everything was found elsewhere. */
  get tablesHealed(): number {
    return this.#healedTables.removed;
  }

  /** Memtables that wait for their flush. */
  get sealedMemtables(): number {
    return this.#writerPace.sealedMemtables;
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
    return this.#writerPace.isStoppedBy(worker);
  }

  get #busy(): boolean {
    const retrying = this.#flushRetry.pending || this.#compactionRetry.pending;
    const isWorking = this.#flushing || this.#compacting > 0 || this.#loneWork.isRunning;
    return isWorking || this.sealedMemtables > 0 || retrying || !this.#isStarted;
  }

  /** All tables are loaded: work may begin. */
  start(): void {
    this.#damagedTables.opened();
    this.#isStarted = true;
    this.wake();
  }

  /** A table could not be loaded, or the lock is lost: nothing is done, and whoever waits is told. */
  stopped(error: LsmError): void {
    this.lastError = error;
    this.#fail(error);
  }

  /** Looks for work: after a rotation, a flush, a compaction, an opening. */
  wake(): void {
    if (!this.#isStarted || this.#closed || this.#parts.isHeld()) return;
    try {
      this.#logNote.look();
      this.steerWriter();
      this.#flushNext();
      this.#compactNext();
      this.#healedTables.remove();
      this.#expiryAlarm.set(this.#dueCompactions.nextExpiredMs);
      this.#flushWaiters.look();
      this.#idleWaiters.look();
      if (this.#cannotLook) this.#flushRetry.notDue();
      this.#cannotLook = false;
    } catch (error) {
      // Timers and ends of jobs call it, where nobody would catch it. The next try looks for everything again.
      this.#cannotLook = true;
      this.#flushFailed(toLsmError(error, 'looking for work'));
    }
  }

  /**
   * Slows the writer down before it must stop, and gives it a new memtable only while flushes keep up. Call it after
   * everything that changes one of the two, or frees a memtable.
   */
  steerWriter(): void {
    if (!this.#closed) this.#writerPace.steer();
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
    this.#dueCompactions.watermarksRaised();
    this.wake();
  }

  /**
   * Runs something that adds to the last level; callers take turns.
   * @param work calls `quiet` before it looks at the levels. From then on it runs beside no compaction, because what both
   *   write could overlap. Until then compactions may begin that the writer waits for: so `work` may wait for the writer.
   *   (Ingestion, writers and compactions that waited for each other are rocksdb #1480.)
   * @throws LsmError CLOSED, and what `work` throws
   */
  alone<Result>(work: (quiet: () => Promise<void>) => Promise<Result>): Promise<Result> {
    return this.#loneWork.run(work);
  }

  /**
   * Has records from outside written to the last level, and puts them in force. Call it within `alone`, once it is quiet.
   * @param source what to write, and what lies above and beside it
   * @returns what must be put instead, packed
   * @throws LsmError: nothing was written
   */
  async ingest(source: IngestSource): Promise<Uint8Array> {
    const beside = source.overlapping.map(({ metadata }) => metadata);
    const result = await this.#putInForce(this.#tableJobs.ingest(source, beside), beside);
    return result.left;
  }

  /**
   * Has `take` decide, while no flush is under way, about a large batch: the tables of the job that it makes lie above
   * those of earlier flushes and below those of later ones.
   * @param take is given what makes a job to write a batch to a level
   */
  betweenFlushes<Result>(take: (makeJob: MakeBatchJob) => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#closed) reject(CLOSED);
        else resolve(take((source, level) => this.#tableJobs.batch(source, level)));
      };
      if (this.#flushing) this.#flushEndWaiters.push(look);
      else look();
    });
  }

  /**
   * Has a large batch written, and puts it in force. Call it within `alone`, once it is quiet.
   * @returns whether there was anything to write
   * @throws LsmError: nothing was written
   */
  async writeBatch(job: BatchJob): Promise<boolean> {
    const { tables } = await this.#putInForce(job, []);
    return tables.length > 0;
  }

  /** Runs a job whose tables take the place of others of the levels below it. */
  async #putInForce(job: BackgroundJob['job'], beside: readonly TableMetadata[]): Promise<BackgroundResult> {
    let result: BackgroundResult;
    try {
      result = await this.#parts.jobs.run(job);
    } catch (error) {
      // A table that cannot be read is set aside, and is in nobody's way then.
      this.damageFound(toLsmError(error, job.type));
      throw error;
    }
    if (this.#closed) throw CLOSED;
    const added = result.tables.map(({ metadata }) => metadata);
    if (added.length === 0 && beside.length === 0) return result;
    try {
      await this.#commits.commit({ added, removed: beside.map(({ id }) => id) }, result.tables);
    } catch (error) {
      await this.#untilRefused(toLsmError(error, 'manifest'));
      throw error;
    }
    this.#damagedTables.taken(beside);
    this.#parts.onSlotsChanged(result.slots);
    this.#parts.onSlotsChanged(result.expired);
    for (const { fileSizeBytes } of added) this.bytesIngested += fileSizeBytes;
    return result;
  }

  /**
   * An edit with records from outside has failed, and may be on the disk all the same. Their writer holds back what is
   * older than they are, and must do so until they are not: a stop would bring them back below it.
   */
  async #untilRefused(error: LsmError): Promise<void> {
    if (!this.#commits.isInDoubt) return;
    const { clock, conditions, report } = this.#parts;
    // What waits here waits for the disk alone, so its operator must know.
    conditions.failing('manifest', error);
    this.steerWriter();
    report(`writes wait until the manifest can be written, which fails: ${error.message}`);
    this.#tellOfDoubt(clock.monotonicMs());
    while (this.#commits.isInDoubt && !this.#isClosing && !this.#parts.lockWatch.isLost) {
      await new Promise<void>((resolve) => void clock.after(DOUBT_RETRY_MS, resolve));
      // Any edit that is taken will do, and one is that nothing else waits for.
      if (!this.#isClosing) await this.#commits.settleDoubt().catch(() => undefined);
    }
    if (this.#commits.isInDoubt) return;
    conditions.works('manifest');
    this.steerWriter();
    report('the manifest can be written again');
  }

  /** The disk may be long in answering, so it is told beside that, and not between. */
  #tellOfDoubt(sinceMs: number): void {
    if (!this.#commits.isInDoubt || this.#isClosing || this.#closed) return;
    const { clock, onDoubtLasts } = this.#parts;
    onDoubtLasts(clock.monotonicMs() - sinceMs);
    clock.after(DOUBT_RETRY_MS, () => this.#tellOfDoubt(sinceMs));
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
    if (this.#isStarted && !this.#closed && !this.#parts.isHeld()) this.#healedTables.remove();
  }

  /** Nothing new is asked for any more: whoever waits for the disk to take something waits no longer. */
  closing(): void {
    this.#isClosing = true;
  }

  /** Whether an edit that was refused may be in force after a restart. */
  get isInDoubt(): boolean {
    return this.#commits.isInDoubt;
  }

  /** Starts nothing more; running jobs give up. */
  async close(error: LsmError): Promise<void> {
    this.#closed = true;
    this.#expiryAlarm.set(Number.POSITIVE_INFINITY);
    this.#logNote.close();
    // The jobs read it now and then; nothing is ordered by it.
    Atomics.store(this.#words, ControlWord.cancelBackground, 1);
    this.#fail(error);
    while (
      this.#flushing ||
      this.#compacting > 0 ||
      this.#loneWork.isRunning ||
      this.#healedTables.isRemoving
    ) {
      await new Promise<void>((resolve) => {
        this.#onJobEnd = resolve;
      });
    }
  }

  #flushNext(): void {
    if (this.#flushing || this.sealedMemtables === 0 || this.#flushRetry.pending) return;
    const { arenas, directory, superVersions } = this.#parts;
    const generation = superVersions.current.oldestGeneration;
    this.#flushing = true;
    const makeJob = (): BackgroundJob['job'] =>
      this.#tableJobs.flush(arenas.memory(generation), generation, this.#parts.usesFlushedSlots());
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
      'flush',
      makeJob,
      commit,
      () => this.#flushRetry.works(),
      (error) => this.#flushFailed(error),
    ).finally(() => {
      this.#flushing = false;
      for (const look of this.#flushEndWaiters.splice(0)) look();
      this.#ended();
    });
  }

  #compactNext(): void {
    if (this.#loneWork.isQuiet) return;
    // Whoever waits for its turn may wait for the writer as well.
    if (this.#loneWork.isDue && !this.stopsWriter('compaction')) return;
    const { maxBackgroundJobs } = this.#parts.options;
    while (this.#compacting < Math.max(1, maxBackgroundJobs - 1)) {
      const task = this.#dueCompactions.next(this.#compacting, this.#fullCompactions > 0);
      if (task === null) {
        if (this.#compacting === 0) this.#compactionRetry.nothingDue();
        return;
      }
      this.#compact(task);
    }
  }

  #compact(task: CompactionTask): void {
    this.#dueCompactions.begun(task);
    this.#compacting++;
    const done = task.trivialMove ? this.#move(task) : this.#merge(task);
    done.then(() => {
      this.#dueCompactions.ended(task);
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
    const inputs = [...task.inputs, ...task.overlapping];
    const makeJob = (): BackgroundJob['job'] => {
      const handles = inputs.map(({ id }) => this.#parts.superVersions.handle(id));
      const damaged = this.#damagedTables.among(inputs);
      return this.#tableJobs.merge(task, handles, damaged, this.#parts.awaitsBatch());
    };
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
      'compaction',
      makeJob,
      commit,
      () => this.#compactionRetry.worked(inputs),
      (error) => this.#compactionFailed(error, inputs),
    );
  }

  async #run(
    what: 'flush' | 'compaction',
    makeJob: () => BackgroundJob['job'],
    commit: (result: BackgroundResult) => Promise<void>,
    onWorked: () => void,
    onFailed: (error: LsmError) => void,
  ): Promise<void> {
    try {
      const result = await this.#parts.jobs.run(makeJob());
      if (this.#closed) return;
      await commit(result);
      this.#parts.onSlotsChanged(result.expired);
      // Damage stays, whatever else succeeds.
      if (this.lastError?.code !== 'CORRUPTION') this.lastError = undefined;
      onWorked();
    } catch (error) {
      onFailed(toLsmError(error, what));
    }
  }

  #ended(): void {
    this.#loneWork.look();
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
