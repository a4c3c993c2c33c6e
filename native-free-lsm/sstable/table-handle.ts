import type { TableMetadata } from './table-metadata.ts';

/**
 * A table that is ready to be read: everything but its data blocks, in shared memory. Plain data: post it to as
 * many threads as need it. It is never changed; its memory goes when the last thread has dropped it.
 */
export interface TableHandle {
  readonly metadata: TableMetadata;
  readonly path: string;
  /** A table-index.ts index, as it is in the file. */
  readonly index: SharedArrayBuffer;
  /** A bloom-filter.ts filter, as it is in the file; empty when the table has none. */
  readonly filter: SharedArrayBuffer;
  /** Why nothing of it can be read: see unreadable-table.ts. Null: its blocks can be. */
  readonly fault: TableFault | null;
}

/** What was wrong with a table, and at which byte. */
export interface TableFault {
  readonly message: string;
  readonly offset: number;
}
