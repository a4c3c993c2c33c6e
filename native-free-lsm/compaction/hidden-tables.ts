import type { RangeFragments } from '../range-tombstones/fragments.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { compareKeys, type Version } from '../version/version.ts';

/** Whether one range tombstone hides everything in a table, which then need not be read. Pure. */
export function isHidden(table: TableMetadata, ranges: RangeFragments): boolean {
  const { largestKey, largestTimestamp, smallestKey } = table;
  const index = ranges.firstEndingAbove(smallestKey, 0, smallestKey.length);
  if (index === ranges.count || ranges.timestamp(index) <= largestTimestamp) return false;
  const end = ranges.end(index);
  const isWithin = end === null || compareKeys(largestKey, end) < 0;
  return isWithin && compareKeys(ranges.start(index), smallestKey) <= 0;
}

/** Whether a table below another one is hidden as a whole by one of that one's range tombstones. Pure. */
export function hasHiddenTable(version: Version, upper: TableMetadata, ranges: RangeFragments): boolean {
  const { level, largestKey, smallestKey } = upper;
  for (let below = level; below < version.levels.length; below++) {
    // Below is an older table of level 0, too.
    if (below === level && level > 0) continue;
    for (const table of version.overlapping(below, smallestKey, largestKey))
      if (table.id !== upper.id && isHidden(table, ranges)) return true;
  }
  return false;
}
