import type { SlotSectionHead, SlotSectionPlace } from './slot-section-format.ts';
import type { TableMetadata } from './table-metadata.ts';

/**
 * Everything needed to read a table, except its data blocks, in shared memory. Plain data: post it to as many threads
 * as need it. It does not change while anybody may read the table; store/table-memory.ts says what becomes of its memory
 * afterwards.
 */
export interface TableHandle {
  readonly metadata: TableMetadata;
  readonly path: string;
  /** It begins with the index as it is in the file: see table-index.ts. */
  readonly index: SharedArrayBuffer;
  /** It begins with the filter as it is in the file: see bloom-filter.ts. */
  readonly filter: SharedArrayBuffer;
  /** The size of the filter; 0: the table has none. */
  readonly filterBytes: number;
  /** The range tombstones as they are in the file: see range-tombstones/fragment-codec.ts. Null: the table has none. */
  readonly ranges: SharedArrayBuffer | null;
  /** Where the slot versions are, and what their head says; null: the table has none. */
  readonly slots: (SlotSectionPlace & { readonly head: SlotSectionHead }) | null;
  /** Why nothing of the table can be read: see unreadable-table.ts. Null: its blocks can be read. */
  readonly fault: TableFault | null;
  /**
   * The open file, in stores that do not write the folder: whoever writes it may remove the name at any time. Its owner
   * closes it when no thread has the handle any more. Undefined: every thread opens `path` for itself.
   */
  readonly descriptor?: number;
}

/** A table whose index and filter are loaded when somebody needs them. It stays in its thread: a handle is what is posted. */
export interface DeferredTable extends Disposable {
  readonly metadata: TableMetadata;
  readonly path: string;
  readonly slots: TableHandle['slots'];
  /** The size of the filter; 0: the table has none. */
  readonly filterBytes: number;
  /** The same handle each time. It cannot fail: what cannot be read becomes the handle of an unreadable table. */
  load(): TableHandle;
}

export type OpenedTable = TableHandle | DeferredTable;

/** What is wrong with a table, and at which byte. */
interface TableFault {
  readonly message: string;
  readonly offset: number;
}
