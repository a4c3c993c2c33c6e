import type { SlotSectionHead } from '../sstable/slot-section-format.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';

/** A table is rewritten for the sake of its deletions when they are at least this share of its records. */
const WORTH_A_REWRITE = 0.25;

/**
 * Whether so much of a table may be purged now that it is worth to rewrite it: tombstones and expired values at or
 * below the watermark of their slot. An estimate, by the samples that the head of its slot versions has. Pure.
 * @param watermarks a timestamp for each slot
 * @param nowMs what expiries are compared with, in ms since the Unix epoch
 */
export function isWorthPurging(
  { privateRows, purgeable, rows, samples }: SlotSectionHead,
  watermarks: Float64Array,
  nowMs: number,
): boolean {
  const { expiries, slots, timestamps } = samples;
  let due = 0;
  for (let sample = 0; sample < slots.length; sample++) {
    const isExpired = expiries[sample] <= nowMs;
    if (isExpired && timestamps[sample] <= watermarks[slots[sample]]) due++;
  }
  return due > 0 && (due / slots.length) * purgeable >= (rows - privateRows) * WORTH_A_REWRITE;
}

/**
 * The same of a table without slot versions, as an engine writes them that is compared with no other: nobody knows of
 * which slots its deletions are, so that one watermark is enough. A rewrite gives it slot versions, by which it is judged
 * from then on. Pure.
 */
export function mayBeWorthPurging(
  { entries, smallestTimestamp, tombstones }: TableMetadata,
  watermarks: Float64Array,
): boolean {
  if (tombstones === 0 || tombstones < entries * WORTH_A_REWRITE) return false;
  return watermarks.some((watermark) => watermark >= smallestTimestamp);
}

/**
 * From when on so many values of a table have expired that it is worth to rewrite it, in ms since the Unix epoch;
 * Infinity: never. An estimate like the one above, for an engine that drops what has expired without a watermark.
 */
export function worthDroppingFromMs({ privateRows, purgeable, rows, samples }: SlotSectionHead): number {
  const { expiries } = samples;
  // Deletions, which have 0 here, are brought down by the sizes of levels.
  const mortal = expiries.filter((expiryMs) => expiryMs > 0).sort((a, b) => a - b);
  const recordsOfSample = purgeable / expiries.length;
  const needed = Math.ceil(((rows - privateRows) * WORTH_A_REWRITE) / recordsOfSample);
  return mortal[Math.max(needed, 1) - 1] ?? Number.POSITIVE_INFINITY;
}
