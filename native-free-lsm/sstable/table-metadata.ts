/**
 * What the manifest knows of one table: enough to decide whether a read or a compaction needs it, without
 * opening it. Plain data, structured-cloneable and packable.
 */
export interface TableMetadata {
  /** File number; the file is `<id, six digits or more>.sst`. Larger means created later. */
  readonly id: number;
  /** 0: tables overlap, larger id is newer; from 1 on: sorted, disjoint; QUARANTINE: set aside. */
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
  /** Smallest expiry of its records in ms since the Unix epoch; 0 when none expires. */
  readonly smallestExpiryMs: number;
  /** In quarantine: the offset in the file at which damage was first met. */
  readonly damagedAt?: number;
}

export function tableFileName(id: number): string {
  return `${String(id).padStart(6, '0')}.sst`;
}

/** A table's name while it is written: never opened, removed at the next start. */
export function temporaryTableFileName(id: number): string {
  return `${String(id).padStart(6, '0')}.sst.tmp`;
}
