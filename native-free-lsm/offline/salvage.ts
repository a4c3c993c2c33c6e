import { compareBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import { recordFault } from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { findBlocks } from './block-finder.ts';
import { BlockReader } from './block-reader.ts';
import { damageOf, openFile } from './folder.ts';
import { type BlockPlace, blocksOf, type TableSurvey } from './table-survey.ts';

/** Bytes of a table that a salvage leaves behind, and which keys may have been in them. */
export interface TableLoss {
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
    return { path, blocks: [], entries: 0, losses };
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
  return { path, blocks, entries, losses };
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
    const { keyBytes, keyEnd, bytes, recordStart, recordEnd } = cursor;
    if (last !== undefined && compareBytes(last, 0, last.length, keyBytes, 0, keyEnd) >= 0) return undefined;
    if (recordFault(bytes, recordStart, recordEnd) !== undefined) return undefined;
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
export class SalvageIterator implements RecordIterator, Disposable {
  readonly #file: Disposable | undefined;
  readonly #reader: BlockReader;
  readonly #blocks: readonly BlockPlace[];
  #next = 0;

  constructor(fs: FileSystem, { path, blocks }: TableSalvage) {
    // A table without readable blocks may have no file.
    const file = blocks.length === 0 ? undefined : openFile(fs, path);
    this.#file = file;
    this.#reader = new BlockReader(fs, file?.fd ?? -1, path);
    this.#blocks = blocks;
  }

  get valid(): boolean {
    return this.#reader.cursor.valid;
  }
  get keyBytes(): Uint8Array {
    return this.#reader.cursor.keyBytes;
  }
  get keyStart(): number {
    return 0;
  }
  get keyEnd(): number {
    return this.#reader.cursor.keyEnd;
  }
  get recordBytes(): Uint8Array {
    return this.#reader.cursor.bytes;
  }
  get recordStart(): number {
    return this.#reader.cursor.recordStart;
  }
  get recordEnd(): number {
    return this.#reader.cursor.recordEnd;
  }

  seekToFirst(): void {
    this.#next = 0;
    this.#enterNext();
  }

  /** Not supported: merges walk from the first entry and do not seek. */
  seek(key: Uint8Array, start: number, end: number): void {
    this.seekToFirst();
    while (this.valid && compareBytes(this.keyBytes, 0, this.keyEnd, key, start, end) < 0) this.next();
  }

  next(): void {
    this.#reader.cursor.next();
    if (!this.valid) this.#enterNext();
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }

  #enterNext(): void {
    this.#reader.cursor.clear();
    while (!this.valid && this.#next < this.#blocks.length) {
      this.#reader.read(this.#blocks[this.#next++]);
      this.#reader.cursor.seekToFirst();
    }
  }
}
