/**
 * What main and pool threads say to each other outside the rings: set-up data, new super-versions, background jobs and
 * their results. It is posted and cloned, so its types are its layout; shared buffers go by reference. Errors alone are
 * encoded, as cloning loses their code.
 */
import type { MessagePort } from 'node:worker_threads';
import type { BatchSpec } from '../../compaction/batch-tables.ts';
import type { IngestSpec } from '../../compaction/ingest.ts';
import type { MergeSpec } from '../../compaction/merge.ts';
import type { DamagedInput } from '../../compaction/sound-iterator.ts';
import type { LsmError } from '../../errors.ts';
import type { HashSeed } from '../../format/hash.ts';
import type { EngineOptions } from '../../options.ts';
import type { SlotJobResult, SlotJobSpec } from '../../slots/slot-job.ts';
import type { TableHandle } from '../../sstable/table-handle.ts';
import type { TableWriterOptions } from '../../sstable/table-writer.ts';
import type { CheckpointSpec } from '../../version/checkpoint.ts';
import { decodeError, encodeError } from './errors.ts';

/** A super-version: a consistent view of the tables, and of which memtables are not in them yet. It never changes. */
interface SuperVersionMessage {
  readonly type: 'superVersion';
  readonly id: number;
  /** Memtables of this generation and later are not in the tables. */
  readonly oldestGeneration: number;
  /** Table ids by level, in the order of Version.levels. */
  readonly levels: readonly (readonly number[])[];
  /** As Version.quarantine. */
  readonly quarantine: readonly number[];
  /** Handles that earlier messages have not brought. */
  readonly added: readonly TableHandle[];
  /** Whether it is the newest state, and not one that snapshots alone read. */
  readonly isCurrent: boolean;
}

export type WorkerMessage =
  | SuperVersionMessage
  /** No command names this super-version any more. */
  | { readonly type: 'forget'; readonly id: number }
  | { readonly type: 'arena'; readonly index: number; readonly arena: SharedArrayBuffer };

export interface RoleInit {
  readonly directory: string;
  readonly options: EngineOptions;
  readonly control: SharedArrayBuffer;
  readonly requests: SharedArrayBuffer;
  readonly responses: SharedArrayBuffer;
  /** By index; missing ones follow as messages. */
  readonly arenas: readonly SharedArrayBuffer[];
  /** Which counters of the control block are this thread's. */
  readonly thread: number;
  readonly hashSeed: HashSeed;
}

export interface WriterInit extends RoleInit {
  /** The generation to write, and the arena for it. */
  readonly generation: number;
  readonly arena: number;
  /** When the time of each write in the ring is over, see WriteDeadlines. */
  readonly deadlines: SharedArrayBuffer;
}

export interface ReaderInit extends RoleInit {
  /** Which of the readers it is, counted from 1. */
  readonly number: number;
  readonly cache: SharedArrayBuffer;
}

interface FlushJob {
  readonly type: 'flush';
  readonly directory: string;
  readonly arena: SharedArrayBuffer;
  readonly generation: number;
  /** Whether anybody asks for the slots of its keys: to find them is a walk over all entries. */
  readonly findsSlots: boolean;
  readonly fileIds: readonly number[];
  readonly targetFileBytes: number;
  readonly table: TableWriterOptions;
  readonly nowMs: number;
}

/** Writes what a snapshot sees of memtables to tables for itself. */
interface SnapshotJob {
  readonly type: 'snapshot';
  readonly directory: string;
  /** Newest first; of each the entries below its limit. */
  readonly memtables: readonly { readonly arena: SharedArrayBuffer; readonly limit: number }[];
  readonly fileIds: readonly number[];
  readonly targetFileBytes: number;
  readonly table: TableWriterOptions;
  readonly nowMs: number;
}

interface MergeJob {
  readonly type: 'merge';
  readonly spec: MergeSpec;
}

interface IngestJob {
  readonly type: 'ingest';
  readonly spec: IngestSpec;
}

interface BatchJob {
  readonly type: 'batch';
  readonly spec: BatchSpec;
}

export interface BackgroundJob {
  readonly job: FlushJob | SnapshotJob | MergeJob | IngestJob | BatchJob;
  readonly control: SharedArrayBuffer;
  /** For indexes and filters of the tables that it writes: see store/table-memory.ts. */
  readonly memory: readonly SharedArrayBuffer[];
}

/** A look at slots, which changes nothing: see slots/slot-job.ts. */
export interface SlotsJob {
  readonly spec: SlotJobSpec;
  readonly control: SharedArrayBuffer;
}

/** A copy of the engine in another directory: see version/checkpoint.ts. */
export interface CheckpointJob {
  readonly spec: CheckpointSpec;
  readonly control: SharedArrayBuffer;
}

export interface BackgroundResult {
  /** The tables a job has written, with index and filter loaded. */
  readonly tables: readonly TableHandle[];
  /** The places of what the job was lent of memory and did not use. */
  readonly memoryLeft: readonly number[];
  /** Of inputs known to be damaged, those that could not be read as a whole this time either. */
  readonly damaged: readonly DamagedInput[];
  /** The slots of keys that are in tables now and were not before, and maybe others, by SlotSet. */
  readonly slots: Uint8Array;
  /** The slots of values that have expired, and so are gone or deletions now, by SlotSet. */
  readonly expired: Uint8Array;
  /** Of records from outside, packed: those that must be put, because something older of their key is above. */
  readonly left: Uint8Array;
}

/** What a pool thread can be given to do. */
export type ThreadTask =
  | { readonly role: 'writer'; readonly init: WriterInit; readonly port: MessagePort }
  | { readonly role: 'reader'; readonly init: ReaderInit; readonly port: MessagePort }
  | { readonly role: 'background'; readonly job: BackgroundJob }
  | { readonly role: 'slots'; readonly job: SlotsJob }
  | { readonly role: 'checkpoint'; readonly job: CheckpointJob };

/** To the thread that has all roles. */
export interface GivenTask {
  /** That of its TaskEnd. */
  readonly id: number;
  readonly task: ThreadTask;
}

/** From the thread that has all roles. */
export interface TaskEnd {
  readonly id: number;
  /** Of a job. */
  readonly answer?: BackgroundAnswer | undefined;
  /** With what a role has ended that was not told to. */
  readonly fault?: string;
}

/** From the thread that has all roles: a sync that main is to make, see threads/main-synced-fs.ts. */
export interface SyncCall {
  /** Its number. */
  readonly sync: number;
  /** The descriptor of a file, or the path of a directory. */
  readonly target: number | string;
}

/** To the thread that has all roles: a sync has ended. */
export interface SyncEnd {
  readonly sync: number;
  /** As the file system's error has it. */
  readonly failure?: {
    readonly code: string | undefined;
    readonly message: string;
    readonly syscall: string | undefined;
  };
}

/** What comes back of a job: its result, or the error it ended with, encoded. */
export type BackgroundAnswer = BackgroundResult | SlotJobResult | Uint8Array | undefined;

export function encodeJobFailure(error: LsmError): Uint8Array {
  return encodeError(error);
}

/** @throws LsmError with which the job has ended */
export function decodeJobAnswer<Result>(answer: Result | Uint8Array): Result {
  if (answer instanceof Uint8Array) throw decodeError(answer);
  return answer;
}
