import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';

/** A table of keys from `smallest` to `largest`. */
export function table(
  id: number,
  level: number,
  smallest: string,
  largest: string,
  more: Partial<TableMetadata> = {},
): TableMetadata {
  return {
    id,
    level,
    fileSizeBytes: 100,
    entries: 10,
    tombstones: 1,
    rawSizeBytes: 90,
    smallestKey: new Uint8Array(Buffer.from(smallest)),
    largestKey: new Uint8Array(Buffer.from(largest)),
    smallestTimestamp: id,
    largestTimestamp: id + 5,
    smallestExpiryMs: 0,
    ...more,
  };
}

export function ids(tables: readonly TableMetadata[]): number[] {
  return tables.map(({ id }) => id);
}
