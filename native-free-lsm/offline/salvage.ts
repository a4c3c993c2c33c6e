import { compareBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import { recordFault } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { CursorIterator } from '../iterator/cursor-iterator.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import type { BlockCursor } from '../sstable/block.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { findBlocks } from './block-finder.ts';
import { BlockReader } from './block-reader.ts';
import { damageOf, openFile } from './folder.ts';
import { type BlockPlace, blocksOf, type TableSurvey } from './table-survey.ts';

/** Bytes of a table that a salvage leaves behind, and which keys may have been in them. */
interface TableLoss {
  readonly offset: number;
  readonly lengthBytes: number;
  /** Above this key; undefined: from the first key on. */
  readonly above: Uint8Array | undefined;
  /** Up to this key; undefined: to the last. */
  readonly upTo: Uint8Array | undefined;
}

/** What can be read of a damaged table: its blocks that verify, and what is between them. */
export interface TableSalvage {
  readonly path: string;
  readonly blocks: readonly BlockPlace[];
  readonly entries: number;
  readonly losses: readonly TableLoss[];
  /** Its range tombstones; null: they cannot be read, or nobody knows whether there were any. */
  readonly ranges: RangeFragments | null;
}

/**
 * Reads all blocks of a table and keeps those that are whole, found by the table's index or, if that is lost, by their
 * own bytes. Keys that are not above the ones before, or outside of the range in the manifest, are left out.
 */
export function planSalvage(
  fs: FileSystem,
  survey: TableSurvey,
  listed: TableMetadata | undefined,
): TableSalvage {
  const { path, index, layout, sizeBytes } = survey;
  const losses: TableLoss[] = [];
  if (sizeBytes === 0 || !fs.existsSync(path)) {
    const above = undefined;
    losses.push({ offset: 0, lengthBytes: listed?.fileSizeBytes ?? 0, above, upTo: undefined });
    return { path, blocks: [], entries: 0, losses, ranges: null };
  }
  using file = openFile(fs, path);
  const found =
    index === undefined ? findBlocks(fs, file.fd, sizeBytes, layout?.dataBytes ?? sizeBytes) : undefined;
  const candidates = found?.blocks ?? (index === undefined ? [] : blocksOf(index));
  const reader = new BlockReader(fs, file.fd, path);
  const blocks: BlockPlace[] = [];
  let lost = found?.gaps.map((gap) => ({ ...gap })) ?? [];
  let entries = 0;
  /** For each block that is kept, the last key before it and the first key behind it. */
  const bounds: { offset: number; first: Uint8Array; last: Uint8Array }[] = [];
  for (const block of candidates) {
    const walked = walk(reader, block, path, bounds.at(-1)?.last, listed);
    if (walked === undefined) lost.push({ offset: block.offset, lengthBytes: block.diskBytes });
    else {
      blocks.push(block);
      entries += walked.entries;
      bounds.push({ offset: block.offset, first: walked.first, last: walked.last });
    }
  }
  lost = lost.sort((a, b) => a.offset - b.offset);
  for (const { offset, lengthBytes } of lost) {
    const above = bounds.findLast((bound) => bound.offset < offset)?.last;
    const upTo = bounds.find((bound) => bound.offset > offset)?.first;
    losses.push({ offset, lengthBytes, above, upTo });
  }
  return { path, blocks, entries, losses, ranges: survey.ranges ?? null };
}

/** The first and last key of a block and the number of its keys; undefined when it is not whole or out of order. */
function walk(
  reader: BlockReader,
  block: BlockPlace,
  path: string,
  previous: Uint8Array | undefined,
  listed: TableMetadata | undefined,
): { entries: number; first: Uint8Array; last: Uint8Array } | undefined {
  try {
    reader.read(block);
  } catch (error) {
    damageOf(error, path);
    return undefined;
  }
  const { cursor } = reader;
  let first: Uint8Array | undefined;
  let last = previous;
  let entries = 0;
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
    const { keyBytes, keyEnd, recordBytes, recordStart, recordEnd } = cursor;
    if (last !== undefined && compareBytes(last, 0, last.length, keyBytes, 0, keyEnd) >= 0) return undefined;
    if (recordFault(recordBytes, recordStart, recordEnd) !== undefined) return undefined;
    if (listed !== undefined && !isInRange(keyBytes, keyEnd, listed)) return undefined;
    last = ownBytes(keyBytes, 0, keyEnd);
    first ??= last;
    entries++;
  }
  if (cursor.fault !== undefined || first === undefined || last === undefined) return undefined;
  return { entries, first, last };
}

function isInRange(key: Uint8Array, end: number, { smallestKey, largestKey }: TableMetadata): boolean {
  return (
    compareBytes(smallestKey, 0, smallestKey.length, key, 0, end) <= 0 &&
    compareBytes(largestKey, 0, largestKey.length, key, 0, end) >= 0
  );
}

/** The entries of a salvage's blocks, one after the other, only from the first on. */
export class SalvageIterator extends CursorIterator<BlockCursor> implements Disposable {
  readonly #file: Disposable | undefined;
  readonly #reader: BlockReader;
  readonly #blocks: readonly BlockPlace[];
  #next = 0;

  constructor(fs: FileSystem, { path, blocks }: TableSalvage) {
    // A table without readable blocks may have no file.
    const file = blocks.length === 0 ? undefined : openFile(fs, path);
    const reader = new BlockReader(fs, file?.fd ?? -1, path);
    super(reader.cursor);
    this.#file = file;
    this.#reader = reader;
    this.#blocks = blocks;
  }

  override seekToFirst(): void {
    this.cursor.clear();
    this.#next = 0;
    this.settle();
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }

  protected override settle(): void {
    while (!this.cursor.valid && this.#next < this.#blocks.length) {
      this.#reader.read(this.#blocks[this.#next++]);
      this.cursor.seekToFirst();
    }
  }
}
