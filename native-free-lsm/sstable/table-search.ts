import { compareBytes } from '../format/bytes.ts';
import type { TableMetadata } from './table-metadata.ts';

/** What the search in a level looks at. */
interface KeySpan {
  readonly metadata: Pick<TableMetadata, 'smallestKey' | 'largestKey'>;
}

/** In a level of disjoint tables in key order, the first whose largest key is at or above `key`. */
export function firstTableEndingAtOrAbove(
  tables: readonly KeySpan[],
  key: Uint8Array,
  start: number,
  end: number,
): number {
  let low = 0;
  let high = tables.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const largest = tables[middle].metadata.largestKey;
    if (compareBytes(largest, 0, largest.length, key, start, end) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** In a level of disjoint tables in key order, the last whose smallest key is below `key`; -1 when there is none. */
export function lastTableStartingBelow(
  tables: readonly KeySpan[],
  key: Uint8Array,
  start: number,
  end: number,
): number {
  // All tables before it lie below the key, and all behind it start above its end.
  const index = firstTableEndingAtOrAbove(tables, key, start, end);
  if (index === tables.length) return index - 1;
  const smallest = tables[index].metadata.smallestKey;
  return compareBytes(smallest, 0, smallest.length, key, start, end) < 0 ? index : index - 1;
}
