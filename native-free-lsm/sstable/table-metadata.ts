import { MAX_KEY_BYTES } from '../log/write-operation.ts';

/**
 * What the manifest knows of one table: enough to decide whether a read or a compaction needs it, without
 * opening it. Plain data, structured-cloneable and packable.
 */
export interface TableMetadata {
  /** The file number; the file is `<id, six digits or more>.sst`. A larger id was created later. */
  readonly id: number;
  /**
   * 0: tables may overlap, and a larger id is newer. From 1 on: tables are sorted and disjoint. QUARANTINE: set aside.
   */
  readonly level: number;
  readonly fileSizeBytes: number;
  readonly entries: number;
  readonly tombstones: number;
  /** Bytes of keys and values as they were given, uncompressed and without headers. */
  readonly rawSizeBytes: number;
  readonly smallestKey: Uint8Array;
  /** Inclusive. */
  readonly largestKey: Uint8Array;
  readonly smallestTimestamp: number;
  readonly largestTimestamp: number;
  /** The smallest expiry of its records in ms since the Unix epoch; 0 when none expires. */
  readonly smallestExpiryMs: number;
  /** For a table in quarantine: the offset in the file where damage was first found. */
  readonly damagedAt?: number;
  /**
   * How many range tombstones it has; left out: none. Then its keys and timestamps are also those of them: its largest key
   * may be the one before which the last of them ends, or LAST_KEY.
   */
  readonly rangeTombstones?: number;
}

/** In place of the largest key of a table with a range tombstone that has no end. No key is above it. */
export const LAST_KEY: Uint8Array = new Uint8Array(MAX_KEY_BYTES).fill(0xff);

export function isLastKey(key: Uint8Array): boolean {
  return key.length === MAX_KEY_BYTES && Buffer.compare(key, LAST_KEY) === 0;
}

export function tableFileName(id: number): string {
  return `${String(id).padStart(6, '0')}.sst`;
}

/** The name of a table while it is written. It is never opened, and removed at the next start. */
export function temporaryTableFileName(id: number): string {
  return `${String(id).padStart(6, '0')}.sst.tmp`;
}
