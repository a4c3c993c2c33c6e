import { corruption } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { decodeFragments } from '../range-tombstones/fragment-codec.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { BLOCK_TRAILER_BYTES } from '../sstable/block-codec.ts';
import { BloomFilter, bloomFilterFault } from '../sstable/bloom-filter.ts';
import { decodeProperties, type TableProperties } from '../sstable/properties.ts';
import { headReadBytes, readHead, type SlotSectionHead } from '../sstable/slot-section-format.ts';
import {
  type MetaBlock,
  MetaBlockType,
  readMetaBlock,
  readTableLayout,
  requireMetaBlock,
  type TableLayout,
} from '../sstable/table-format.ts';
import { indexFault, TableIndex } from '../sstable/table-index.ts';
import { type Damage, damageOf, openFile } from './folder.ts';
import { findRanges } from './range-finder.ts';

/** Where a data block is in its file. */
export interface BlockPlace {
  readonly offset: number;
  /** Without its trailer. */
  readonly diskBytes: number;
  readonly memoryBytes: number;
}

interface SurveyedSlotVersions {
  readonly block: MetaBlock;
  readonly bytes: Uint8Array;
  readonly head: SlotSectionHead;
}

/** The parts of a table that could be read, whatever happened to the others, without its data blocks. */
export interface TableSurvey {
  readonly path: string;
  readonly sizeBytes: number;
  readonly layout: TableLayout | undefined;
  readonly properties: TableProperties | undefined;
  readonly index: TableIndex | undefined;
  /** Undefined also when the table has none. */
  readonly filter: BloomFilter | undefined;
  /** As they are in the file; undefined also when the table has none. */
  readonly slotVersions: SurveyedSlotVersions | undefined;
  /** Without any where the table has none; undefined: they cannot be read, or nobody knows whether there are any. */
  readonly ranges: RangeFragments | undefined;
  readonly damages: readonly Damage[];
}

const NO_PARTS = {
  properties: undefined,
  index: undefined,
  filter: undefined,
  slotVersions: undefined,
  ranges: undefined,
};

export function surveyTable(fs: FileSystem, path: string): TableSurvey {
  const damages: Damage[] = [];
  const attempt = <Part>(read: () => Part): Part | undefined => {
    try {
      return read();
    } catch (error) {
      damages.push(damageOf(error, path));
      return undefined;
    }
  };
  const file = attempt(() => openFile(fs, path));
  if (file === undefined) {
    return { path, sizeBytes: 0, layout: undefined, ...NO_PARTS, damages };
  }
  using table = file;
  const { fd } = table;
  const sizeBytes = fs.sizeSync(path);
  const layout = attempt(() => readTableLayout(fs, fd, path));
  if (layout === undefined) {
    const ranges = findRanges(fs, fd, path, sizeBytes);
    return { path, sizeBytes, layout, ...NO_PARTS, ranges, damages };
  }
  const properties = attempt(() => {
    const block = requireMetaBlock(layout, MetaBlockType.properties, path);
    return decodeProperties(new Uint8Array(read(fs, fd, path, block)), path, block.offset);
  });
  const index = attempt(() => {
    const block = requireMetaBlock(layout, MetaBlockType.index, path);
    const memory = read(fs, fd, path, block);
    refuse(path, block, indexFault(memory, layout.dataBytes, BLOCK_TRAILER_BYTES));
    return new TableIndex(memory, BLOCK_TRAILER_BYTES);
  });
  let filter: BloomFilter | undefined;
  let slotVersions: SurveyedSlotVersions | undefined;
  let ranges: RangeFragments | undefined = new RangeFragments();
  for (const block of layout.metaBlocks) {
    if (block.type === MetaBlockType.index || block.type === MetaBlockType.properties) continue;
    const memory = attempt(() => read(fs, fd, path, block));
    if (block.type === MetaBlockType.slotVersions && memory !== undefined) {
      const bytes = new Uint8Array(memory);
      const headOf = () => readHead(bytes.subarray(0, headReadBytes(block)), block, path);
      const head = attempt(headOf);
      if (head !== undefined) slotVersions = { block, bytes, head };
      continue;
    }
    if (block.type === MetaBlockType.rangeTombstones) {
      ranges = attempt(() => rangesOf(memory, path, block));
      continue;
    }
    if (block.type !== MetaBlockType.bloomFilter || memory === undefined) continue;
    filter = attempt(() => {
      refuse(path, block, bloomFilterFault(memory));
      return new BloomFilter(memory);
    });
  }
  if (
    properties !== undefined &&
    ranges !== undefined &&
    ranges.count !== (properties.rangeTombstones ?? 0)
  ) {
    const what = `${ranges.count} range tombstones where the table says that it has ${properties.rangeTombstones ?? 0}`;
    damages.push(damageOf(corruption(path, layout.dataBytes, what), path));
    if (ranges.count === 0) ranges = undefined;
  }
  return { path, sizeBytes, layout, properties, index, filter, slotVersions, ranges, damages };
}

/** @param memory undefined: it could not be read, and is among the damages */
function rangesOf(
  memory: SharedArrayBuffer | undefined,
  path: string,
  block: MetaBlock,
): RangeFragments | undefined {
  if (memory === undefined) return undefined;
  try {
    return decodeFragments(memory);
  } catch (error) {
    throw corruption(path, block.offset, (error as Error).message);
  }
}

export function blocksOf(index: TableIndex): BlockPlace[] {
  return Array.from({ length: index.blockCount }, (_, ordinal) => ({
    offset: index.blockOffset(ordinal),
    diskBytes: index.diskBytes(ordinal),
    memoryBytes: index.memoryBytes(ordinal),
  }));
}

function read(fs: FileSystem, fd: number, path: string, block: MetaBlock): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(block.lengthBytes);
  readMetaBlock(fs, fd, path, block, new Uint8Array(memory));
  return memory;
}

function refuse(path: string, block: MetaBlock, fault: string | undefined): void {
  if (fault !== undefined) throw corruption(path, block.offset, fault);
}
