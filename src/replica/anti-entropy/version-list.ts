/**
 * The versions that an owner holds of a slot's keys, and how two owners find where they differ without sending all of
 * them. A *range* is the part of a slot whose fingerprints begin with some bytes. A range with few versions is told as a
 * list, one with many as 256 *folds*, one for each next byte, so that a slot of a million keys costs a few kilobytes
 * where one of them differs. Pure.
 */
import { addFold, isUncounted, PURGEABLE, type SlotVersions } from '../../../native-free-lsm/index.ts';

/** A range with more versions than this is told as folds. */
export const MAX_LISTED = 256;
export const FAN_OUT = 256;
/** Bytes of a fingerprint that are not its slot. */
export const MAX_DEPTH = 6;

export interface SlotRange {
  readonly slot: number;
  /** How many bytes of the fingerprint behind its slot are given; at most MAX_DEPTH. */
  readonly depth: number;
  /** These bytes as a number. */
  readonly prefix: number;
}

/** One version of a key. */
export interface VersionEntry {
  /** The fingerprint's 48 bits behind its slot. */
  readonly fingerprint: number;
  readonly timestamp: number;
  readonly writer: number;
  readonly from: number;
  readonly flags: number;
}

/** What counts in a fold: both owners leave out the same, or they differ where nothing is to be done. */
interface FoldScope {
  /** Versions with a smaller `from` are not for both of them. */
  readonly minFrom: number;
  /** Tombstones up to this timestamp may be gone at either of them. */
  readonly purgeableTo: number;
}

/** Whether the version may have been purged where it is settled: one with an expiry if its life is over. */
export function isPurgeable(flags: number): boolean {
  return (flags & PURGEABLE) !== 0;
}

/** The fingerprint's 48 bits behind its slot: a safe integer. */
function fingerprintOf(versions: SlotVersions, index: number): number {
  return (versions.fingerprintHighs[index] & 0xffff) * 0x1_0000_0000 + versions.fingerprintLows[index];
}

function entryAt(versions: SlotVersions, index: number): VersionEntry {
  return {
    fingerprint: fingerprintOf(versions, index),
    timestamp: versions.timestamps[index],
    writer: versions.writers[index],
    from: versions.froms[index],
    flags: versions.flags[index],
  };
}

export function entriesOf(versions: SlotVersions, start: number, end: number): VersionEntry[] {
  return Array.from({ length: end - start }, (_, index) => entryAt(versions, start + index));
}

export function versionsIn(lists: Iterable<SlotVersions>): number {
  let count = 0;
  for (const versions of lists) count += versions.count;
  return count;
}

/** Where the versions of a range start and end among those of its slot, which are in the order of fingerprints. */
export function spanOf(versions: SlotVersions, range: SlotRange): { start: number; end: number } {
  const width = 2 ** (8 * (MAX_DEPTH - range.depth));
  const first = range.prefix * width;
  return { start: lowerBound(versions, first), end: lowerBound(versions, first + width) };
}

export function childOf(range: SlotRange, byte: number): SlotRange {
  return { slot: range.slot, depth: range.depth + 1, prefix: range.prefix * FAN_OUT + byte };
}

/** Two words for each of the 256 children of a range. */
export function foldChildren(versions: SlotVersions, range: SlotRange, scope: FoldScope): Uint32Array {
  const folds = new Uint32Array(2 * FAN_OUT);
  const { start, end } = spanOf(versions, range);
  const childWidth = 2 ** (8 * (MAX_DEPTH - range.depth - 1));
  for (let index = start; index < end; index++) {
    if (!counts(versions, index, scope)) continue;
    const byte = Math.floor(fingerprintOf(versions, index) / childWidth) % FAN_OUT;
    addFold(
      folds,
      2 * byte,
      versions.fingerprintHighs[index],
      versions.fingerprintLows[index],
      versions.timestamps[index],
      versions.writers[index],
    );
  }
  return folds;
}

function counts(versions: SlotVersions, index: number, { minFrom, purgeableTo }: FoldScope): boolean {
  if (versions.froms[index] < minFrom) return false;
  return !isUncounted(versions.flags[index], versions.timestamps[index], purgeableTo);
}

function lowerBound(versions: SlotVersions, fingerprint: number): number {
  let low = 0;
  let high = versions.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fingerprintOf(versions, middle) < fingerprint) low = middle + 1;
    else high = middle;
  }
  return low;
}
