import { ownBytes } from '../format/copy.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import type { TableProperties } from './properties.ts';
import { LAST_KEY } from './table-metadata.ts';

/**
 * The properties of a table with range tombstones: its bounds include those of all keys that they delete, as whoever
 * moves or merges tables must keep these together with what they hide. Pure.
 * @param entries what the entries of the table add up to
 */
export function withRanges(entries: TableProperties, ranges: RangeFragments | null): TableProperties {
  if (ranges === null || ranges.count === 0) return entries;
  const first = ranges.start(0);
  let { largestTimestamp, smallestTimestamp } = entries;
  for (const { timestamp } of ranges) {
    largestTimestamp = Math.max(largestTimestamp, timestamp);
    smallestTimestamp = Math.min(smallestTimestamp, timestamp);
  }
  return {
    ...entries,
    smallestKey: Buffer.compare(first, entries.smallestKey) < 0 ? ownKey(first) : entries.smallestKey,
    largestKey: largestOf(entries.largestKey, ranges.end(ranges.count - 1)),
    smallestTimestamp,
    largestTimestamp,
    rangeTombstones: ranges.count,
  };
}

/**
 * The largest key of a table, or the end of its last range tombstone: the key before that one may be very long. But where
 * a table was cut off behind its last entry, by a byte of zero, it must end there, as the next one begins at once.
 */
function largestOf(lastKey: Uint8Array, end: Uint8Array | null): Uint8Array {
  if (end === null) return LAST_KEY;
  if (Buffer.compare(end, lastKey) <= 0) return lastKey;
  return end.at(-1) === 0 ? ownBytes(end, 0, end.length - 1) : ownKey(end);
}

function ownKey(key: Uint8Array): Uint8Array {
  return ownBytes(key, 0, key.length);
}
