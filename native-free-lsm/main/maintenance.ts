import type { EngineClock } from '../clock.ts';
import { type CompactionTask, pickCompaction } from '../compaction/picker.ts';
import { LsmError } from '../errors.ts';
import type { Executor } from '../executor.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import type { BackgroundJob, BackgroundResult } from '../roles/messages.ts';
import { toLsmError } from '../roles/protocol.ts';
import { ControlWord } from '../shared/control.ts';
import type { Manifest } from '../version/manifest.ts';
import type { VersionEdit } from '../version/version.ts';
import { logFileName } from '../wal/log-format.ts';
import type { Arenas } from './arenas.ts';
import type { Views } from './views.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
const SLOWDOWN_STEP_MICROS = 1000;
const MAX_SLOWDOWN_MICROS = 10_000;

export interface MaintenanceParts {
  readonly directory: string;
  readonly fs: FileSystem;
  readonly clock: EngineClock;
  readonly options: EngineOptions;
  readonly control: SharedArrayBuffer;
  readonly executor: Executor;
  readonly views: Views;
  readonly arenas: Arenas;
  readonly manifest: Manifest;
  readonly nextFileId: number;
  readonly report: (message: string) => void;
}

/**
 * Keeps the tree in shape: has sealed memtables flushed, picks compactions, commits what they wrote to the
 * manifest and installs the new view. Runs on the main thread and only decides; the work is the pool's.
 */
export class Maintenance {
  readonly #parts: MaintenanceParts;
  readonly #words: Int32Array;
  readonly #busyTables = new Set<number>();
  readonly #idleWaiters: (() => void)[] = [];
  #nextFileId: number;
  #flushing = false;
  #compactions = 0;
  #compacting = false;
  #retryMs = FIRST_RETRY_MS;
  #retryPending = false;
  #closed = false;
  lastError: LsmError | undefined;
  flushes = 0;
  compactions = 0;
  bytesFlushed = 0;
  bytesCompacted = 0;

  constructor(parts: MaintenanceParts) {
    this.#parts = parts;
    this.#words = new Int32Array(parts.control);
    this.#nextFileId = parts.nextFileId;
  }

  /** Memtables that wait for their flush. */
  get sealedMemtables(): number {
    return this.#parts.arenas.activeGeneration - this.#parts.views.current.oldestGeneration;
  }

  get busy(): boolean {
    return this.#flushing || this.#compactions > 0 || this.sealedMemtables > 0;
  }

  /** Looks for work: after a rotation, a flush, a compaction, an opening. */
  wake(): void {
    if (this.#closed) return;
    this.#steerWriter();
    if (this.#retryPending) return;
    this.#flushNext();
    this.#compactNext();
    if (!this.busy) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Resolves when no memtable waits and no compaction is due. */
  idle(): Promise<void> {
    if (!this.busy) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Moves everything down to the last level, merging on the way. */
  async compactAll(): Promise<void> {
    this.#compacting = true;
    try {
      this.wake();
      await this.idle();
    } finally {
      this.#compacting = false;
    }
  }

  /** Starts nothing more; jobs under way give up. */
  async close(): Promise<void> {
    this.#closed = true;
    // Read by the jobs now and then; nothing is ordered by it.
    Atomics.store(this.#words, ControlWord.cancelBackground, 1);
    while (this.#flushing || this.#compactions > 0) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #flushNext(): void {
    if (this.#flushing || this.sealedMemtables === 0) return;
    const { arenas, directory, executor, options, views, clock } = this.#parts;
    const generation = views.current.oldestGeneration;
    this.#flushing = true;
    const table = tableOptions(options, false);
    const job = {
      type: 'flush',
      directory,
      arena: arenas.memory(generation),
      generation,
      fileIds: this.#takeFileIds(2 + Math.ceil(options.memtableBytes / options.targetFileBytes) * 2),
      targetFileBytes: options.targetFileBytes,
      table,
      nowMs: clock.nowMs(),
    } as const;
    this.#run({ job, control: this.#parts.control }, executor, async (handles) => {
      const added = handles.map((handle) => handle.metadata);
      await this.#commit({ added, removed: [], oldestGeneration: generation + 1 }, generation + 1, handles);
      this.flushes++;
      for (const { fileSizeBytes } of added) this.bytesFlushed += fileSizeBytes;
      await this.#parts.fs.remove(`${directory}/${logFileName(generation)}`);
    }).finally(() => {
      this.#flushing = false;
      this.#ended();
    });
  }

  #compactNext(): void {
    const { options, views } = this.#parts;
    while (this.#compactions < Math.max(1, options.maxBackgroundJobs - 1)) {
      const task = pickCompaction(views.version, this.#busyTables, {
        l0Trigger: this.#compacting ? 1 : options.l0CompactionTables,
        baseLevelBytes: this.#compacting ? 1 : options.baseLevelBytes,
        levelMultiplier: this.#compacting ? 1 : options.levelMultiplier,
        maxTaskBytes: options.maxCompactionBytes,
      });
      if (task === null) return;
      this.#compact(task);
    }
  }

  #compact(task: CompactionTask): void {
    const tables = [...task.inputs, ...task.overlapping];
    for (const { id } of tables) this.#busyTables.add(id);
    this.#compactions++;
    const done = task.trivialMove ? this.#move(task) : this.#merge(task);
    done.finally(() => {
      for (const { id } of tables) this.#busyTables.delete(id);
      this.#compactions--;
      this.#ended();
    });
  }

  async #move(task: CompactionTask): Promise<void> {
    const added = task.inputs.map((table) => ({ ...table, level: task.outputLevel }));
    try {
      await this.#commit({ added, removed: task.inputs.map(({ id }) => id) }, undefined, []);
    } catch (error) {
      this.#failed(toLsmError(error, 'compaction'));
    }
  }

  #merge(task: CompactionTask): Promise<void> {
    const { clock, directory, executor, options, views } = this.#parts;
    const inputs = [...task.inputs, ...task.overlapping];
    const rawBytes = inputs.reduce((sum, table) => sum + table.rawSizeBytes + 64 * table.entries, 0);
    const job = {
      type: 'merge',
      spec: {
        directory,
        inputs: inputs.map(({ id }) => views.handle(id)),
        outputLevel: task.outputLevel,
        fileIds: this.#takeFileIds(4 + Math.ceil(rawBytes / options.targetFileBytes) * 2),
        targetFileBytes: options.targetFileBytes,
        table: tableOptions(options, task.bottommost),
        bottommost: task.bottommost,
        dropTombstonesBelow: options.dropTombstonesBelow,
        nowMs: clock.nowMs(),
      },
    } as const;
    return this.#run({ job, control: this.#parts.control }, executor, async (handles) => {
      const added = handles.map((handle) => handle.metadata);
      await this.#commit({ added, removed: inputs.map(({ id }) => id) }, undefined, handles);
      this.compactions++;
      for (const { fileSizeBytes } of added) this.bytesCompacted += fileSizeBytes;
    });
  }

  async #run(
    job: BackgroundJob,
    executor: Executor,
    commit: (handles: BackgroundResult) => Promise<void>,
  ): Promise<void> {
    try {
      const handles = await executor.runBackground(job);
      if (this.#closed) return;
      await commit(handles);
      this.lastError = undefined;
      this.#retryMs = FIRST_RETRY_MS;
    } catch (error) {
      this.#failed(toLsmError(error, job.job.type === 'flush' ? 'flush' : 'compaction'));
    }
  }

  async #commit(
    edit: VersionEdit,
    oldestGeneration: number | undefined,
    handles: BackgroundResult,
  ): Promise<void> {
    const { manifest, views } = this.#parts;
    try {
      await manifest.append({ ...edit, nextFileId: this.#nextFileId });
    } catch (error) {
      // A poisoned manifest may hold the edit all the same: then its tables must stay.
      if (toLsmError(error, 'manifest').code !== 'POISONED') await this.#removeTables(handles);
      throw error;
    }
    // Edits are applied in the order they were appended: each waits for its own append, and those are in turn.
    views.install(views.version.apply(edit), oldestGeneration ?? views.current.oldestGeneration, handles);
  }

  async #removeTables(handles: BackgroundResult): Promise<void> {
    for (const { path } of handles) await this.#parts.fs.remove(path).catch(() => undefined);
  }

  #ended(): void {
    if (this.#closed) for (const resolve of this.#idleWaiters.splice(0)) resolve();
    else this.wake();
  }

  /** Tries again later: what could not be flushed stays in its memtable and log. */
  #failed(error: LsmError): void {
    if (this.#closed) return;
    this.lastError = error;
    this.#parts.report(`background work failed and is tried again in ${this.#retryMs} ms: ${error.message}`);
    this.#retryPending = true;
    this.#parts.clock.after(this.#retryMs, () => {
      this.#retryPending = false;
      this.wake();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  /** Slows the writer down before it must stop, and gives it a new memtable only while flushes keep up. */
  #steerWriter(): void {
    const { arenas, options, views } = this.#parts;
    const l0Tables = views.version.levels[0].length;
    const excess = l0Tables - options.l0SlowdownTables + 1;
    const micros = excess > 0 ? Math.min(excess * SLOWDOWN_STEP_MICROS, MAX_SLOWDOWN_MICROS) : 0;
    // A hint the writer reads after each batch; nothing is ordered by it.
    Atomics.store(this.#words, ControlWord.slowdownMicros, micros);
    if (l0Tables >= options.l0StopTables || this.sealedMemtables >= options.maxSealedMemtables) return;
    arenas.offer((index, memory) => views.announceArena(index, memory));
  }

  #takeFileIds(count: number): number[] {
    const ids: number[] = [];
    for (let i = 0; i < count; i++) ids.push(this.#nextFileId++);
    return ids;
  }
}
