/**
 * What main and pool threads say to each other outside the rings: set-up data, new super-versions, background jobs.
 * Everything is structured-cloneable; shared buffers go by reference.
 */
import type { MergeSpec } from '../compaction/merge.ts';
import type { DamagedInput } from '../compaction/sound-iterator.ts';
import type { HashSeed } from '../format/hash.ts';
import type { EngineOptions } from '../options.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableWriterOptions } from '../sstable/table-writer.ts';

/** A super-version: a consistent view of the tables, and of which memtables are not in them yet. It never changes. */
export interface SuperVersionMessage {
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
  readonly cache: SharedArrayBuffer;
}

export interface FlushJob {
  readonly type: 'flush';
  readonly directory: string;
  readonly arena: SharedArrayBuffer;
  readonly generation: number;
  readonly fileIds: readonly number[];
  readonly targetFileBytes: number;
  readonly table: TableWriterOptions;
  readonly nowMs: number;
}

export interface MergeJob {
  readonly type: 'merge';
  readonly spec: MergeSpec;
}

export interface BackgroundJob {
  readonly job: FlushJob | MergeJob;
  readonly control: SharedArrayBuffer;
}

export interface BackgroundResult {
  /** The tables a job has written, with index and filter loaded. */
  readonly tables: readonly TableHandle[];
  /** Of inputs known to be damaged, those that could not be read as a whole this time either. */
  readonly damaged: readonly DamagedInput[];
}
