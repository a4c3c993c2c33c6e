import type { SlotSectionHead } from '../sstable/slot-section-format.ts';

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
