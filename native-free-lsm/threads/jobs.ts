import { writeBatchTables } from '../compaction/batch-tables.ts';
import { ingestRecords } from '../compaction/ingest.ts';
import { mergeTables } from '../compaction/merge.ts';
import { KEEPS_ALL } from '../compaction/retention.ts';
import { withSlotVersions, writeTables } from '../compaction/table-output.ts';
import { recordFrom } from '../format/record.ts';
import { slotOf } from '../format/slot.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { Memtable } from '../memtable/memtable.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { ControlWord } from '../shared/control.ts';
import { runSlotJob, type SlotJobResult } from '../slots/slot-job.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { LentMemory } from '../sstable/lent-memory.ts';
import { loadTable } from '../sstable/load-table.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { writeCheckpoint } from '../version/checkpoint.ts';
import { toLsmError } from './protocol/errors.ts';
import {
  type BackgroundAnswer,
  type BackgroundJob,
  type BackgroundResult,
  type CheckpointJob,
  encodeJobFailure,
  type SlotsJob,
  type ThreadTask,
} from './protocol/posted-messages.ts';

/** What is called between the steps of a job, in a thread that has others to do as well. */
type Between = () => void;

export type JobTask = Exclude<ThreadTask, { readonly role: 'writer' | 'reader' }>;

const ASKED_EVERY = 64;
const NOTHING_LEFT = new Uint8Array(0);

/**
 * Runs a job to its end, and gives what it came to or, encoded, the error it ended with.
 * @param between is called often, between two entries or blocks
 */
export function runJob(fs: FileSystem, task: JobTask, between?: Between): BackgroundAnswer {
  try {
    if (task.role === 'slots') return runSlots(fs, task.job, between);
    if (task.role === 'background') return runBackgroundJob(fs, task.job, between);
    runCheckpoint(fs, task.job, between);
    return undefined;
  } catch (error) {
    return encodeJobFailure(toLsmError(error, workOf(task)));
  }
}

function workOf(task: JobTask): string {
  if (task.role === 'slots') return 'look at slots';
  if (task.role === 'checkpoint') return 'checkpoint';
  const { type } = task.job.job;
  return type === 'merge' ? 'compaction' : type;
}

/** Runs a job that writes tables to its end, or until main cancels it. When it fails it removes what it has written. */
export function runBackgroundJob(
  fs: FileSystem,
  { job, control, memory }: BackgroundJob,
  between?: Between,
): BackgroundResult {
  const lent = new LentMemory(memory);
  const cancelled = seldom(cancelledBy(control, between));
  const { written, ...result } = writeTablesOf(fs, job, cancelled);
  const { directory } = 'spec' in job ? job.spec : job;
  return { ...result, tables: load(fs, directory, written, lent), memoryLeft: lent.left };
}

type WrittenTables = Omit<BackgroundResult, 'tables' | 'memoryLeft'> & {
  readonly written: readonly TableMetadata[];
};

function writeTablesOf(fs: FileSystem, job: BackgroundJob['job'], cancelled: () => boolean): WrittenTables {
  const expired = new SlotSet();
  const nothing = { damaged: [], slots: new SlotSet().bytes, expired: expired.bytes, left: NOTHING_LEFT };
  if (job.type === 'merge') {
    const { tables, damaged } = mergeTables(fs, job.spec, cancelled, expired);
    return { ...nothing, written: tables, damaged };
  }
  if (job.type === 'ingest') {
    const { tables, left, slots } = ingestRecords(fs, job.spec, cancelled, expired);
    return { ...nothing, written: tables, slots: slots.bytes, left };
  }
  if (job.type === 'batch') {
    const { tables, slots } = writeBatchTables(fs, job.spec, cancelled);
    return { ...nothing, written: tables, slots: slots.bytes };
  }
  const spec = {
    directory: job.directory,
    outputLevel: 0,
    fileIds: job.fileIds,
    targetFileBytes: job.targetFileBytes,
    table: job.table,
    ...KEEPS_ALL,
    nowMs: job.nowMs,
  };
  if (job.type === 'snapshot') {
    // They stay until main has heard of the end: the job's super-version is held.
    const memtables = job.memtables.map(({ arena, limit }) => ({ memtable: new Memtable(arena), limit }));
    const sources = memtables.map(({ memtable, limit }) => memtable.iterator(limit));
    const ranges = RangeFragments.merged(
      memtables.flatMap(({ memtable, limit }) => memtable.ranges(limit) ?? []),
    );
    const tables = writeTables(fs, new MergingIterator(sources), spec, cancelled, expired, ranges);
    return { ...nothing, written: tables };
  }
  // The memtable is sealed: nothing is added to it, and it stays until this flush is part of a super-version.
  const memtable = new Memtable(job.arena);
  const limit = memtable.publishedOffset;
  const source = memtable.iterator(limit);
  const whole = { ...spec, table: withSlotVersions(spec.table, () => memtable.hasExpiring) };
  const tables = writeTables(fs, source, whole, cancelled, expired, memtable.ranges(limit));
  const { bytes: slots } = job.findsSlots ? slotsOf(memtable, limit) : SlotSet.every();
  return { ...nothing, written: tables, slots };
}

/** Runs a look at slots to its end, or until main cancels it. */
export function runSlots(fs: FileSystem, { spec, control }: SlotsJob, between?: Between): SlotJobResult {
  return runSlotJob(fs, spec, cancelledBy(control, between));
}

/** Makes a checkpoint to its end, or until main cancels it. */
export function runCheckpoint(fs: FileSystem, { spec, control }: CheckpointJob, between?: Between): void {
  writeCheckpoint(fs, spec, cancelledBy(control, between));
}

function cancelledBy(control: SharedArrayBuffer, between: Between | undefined): () => boolean {
  const words = new Int32Array(control);
  return () => {
    between?.();
    // The word is looked at now and then, so any recent value will do.
    return Atomics.load(words, ControlWord.cancelBackground) === 1;
  };
}

/** For who asks at every entry: it asks at some of them. */
function seldom(cancelled: () => boolean): () => boolean {
  let asked = 0;
  return () => asked++ % ASKED_EVERY === 0 && cancelled();
}

/** The slots of keys that have a version in a sealed memtable. */
function slotsOf(memtable: Memtable, limit: number): SlotSet {
  const slots = new SlotSet();
  const arrivals = memtable.arrivals();
  while (arrivals.advance(limit))
    if (recordFrom(arrivals.bytes, arrivals.recordStart) > 0)
      slots.add(slotOf(arrivals.bytes, arrivals.keyStart, arrivals.keyEnd));
  return slots;
}

function load(
  fs: FileSystem,
  directory: string,
  tables: readonly TableMetadata[],
  memory: LentMemory,
): TableHandle[] {
  try {
    return tables.map((table) => loadTable(fs, directory, table, (bytes) => memory.take(bytes)));
  } catch (error) {
    for (const { id } of tables) {
      try {
        fs.removeSync(`${directory}/${tableFileName(id)}`);
      } catch {
        // The first failure is reported. The next start removes what is left.
      }
    }
    throw error;
  }
}
