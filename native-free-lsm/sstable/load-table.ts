import { join } from 'node:path';
import { corruption, LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { decodeFragments } from '../range-tombstones/fragment-codec.ts';
import { BLOCK_TRAILER_BYTES } from './block-codec.ts';
import { BloomFilter, bloomFilterFault } from './bloom-filter.ts';
import { decodeProperties, differingProperty, type TableProperties } from './properties.ts';
import { readExactly } from './read-exactly.ts';
import { headReadBytes, readHead } from './slot-section-format.ts';
import {
  type MetaBlock,
  MetaBlockType,
  readMetaBlock,
  readTableLayout,
  requireMetaBlock,
  type TableLayout,
} from './table-format.ts';
import type { OpenedTable, TableHandle } from './table-handle.ts';
import { indexFault } from './table-index.ts';
import { type TableMetadata, tableFileName } from './table-metadata.ts';

type MemorySource = (lengthBytes: number) => SharedArrayBuffer;

const ownMemory: MemorySource = (lengthBytes) => new SharedArrayBuffer(lengthBytes);

/**
 * Loads and verifies everything of a table, including parts that are skipped, except its data blocks and the slot
 * versions behind their head: these are read, and verified, piece by piece when somebody asks for them.
 * @param memoryFor gives memory for index and filter: so many bytes or more, with anything in it
 * @throws LsmError CORRUPTION when a byte is not what was written, the file is missing or is not the one that
 *   `metadata` describes; UNSUPPORTED_FORMAT when a newer version wrote it
 */
export function loadTable(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
  memoryFor: MemorySource = ownMemory,
): TableHandle {
  using table = openTable(fs, join(directory, tableFileName(metadata.id)));
  return loadRest(fs, table.fd, readTableHead(fs, table, metadata), memoryFor);
}

/** What is known of a table before its index and its filter, which are nearly all of its parts, are read. */
export interface TableHead {
  readonly metadata: TableMetadata;
  readonly path: string;
  readonly layout: TableLayout;
  readonly properties: TableProperties;
  readonly slots: TableHandle['slots'];
}

/** @throws LsmError as `loadTable` does */
export function readTableHead(fs: FileSystem, { fd, path }: OpenTable, metadata: TableMetadata): TableHead {
  const layout = readTableLayout(fs, fd, path);
  if (layout.fileSizeBytes !== metadata.fileSizeBytes) {
    const place = Math.min(layout.fileSizeBytes, metadata.fileSizeBytes);
    throw corruption(path, place, `${layout.fileSizeBytes} bytes instead of ${metadata.fileSizeBytes}`);
  }
  const properties = readProperties(fs, fd, path, layout);
  const differing = differingProperty(properties, metadata);
  if (differing !== undefined) {
    const { offset } = requireMetaBlock(layout, MetaBlockType.properties, path);
    throw corruption(
      path,
      offset,
      `it is another table than the manifest lists: they differ in ${differing}`,
    );
  }
  requireMetaBlock(layout, MetaBlockType.index, path);
  const slotBlock = layout.metaBlocks.find(({ type }) => type === MetaBlockType.slotVersions);
  const slots = slotBlock === undefined ? null : readSlotSection(fs, fd, path, slotBlock);
  return { metadata, path, layout, properties, slots };
}

/**
 * Loads and verifies what its head leaves out.
 * @throws LsmError CORRUPTION, IO_ERROR
 */
export function loadRest(
  fs: FileSystem,
  fd: number,
  { layout, metadata, path, properties, slots }: TableHead,
  memoryFor: MemorySource = ownMemory,
): TableHandle {
  const indexBlock = requireMetaBlock(layout, MetaBlockType.index, path);
  const index = readWhole(fs, fd, path, indexBlock, memoryFor);
  refuse(path, indexBlock, indexFault(index, layout.dataBytes, BLOCK_TRAILER_BYTES, indexBlock.lengthBytes));
  let filter = new SharedArrayBuffer(0);
  let filterBytes = 0;
  let ranges: TableHandle['ranges'] = null;
  for (const block of layout.metaBlocks) {
    if (IN_HEAD.has(block.type) || block.type === MetaBlockType.index) continue;
    const isFilter = block.type === MetaBlockType.bloomFilter;
    const part = readWhole(fs, fd, path, block, isFilter ? memoryFor : ownMemory);
    if (block.type === MetaBlockType.rangeTombstones) {
      refuse(path, block, rangesFault(part, properties));
      ranges = part;
    }
    if (!isFilter) continue;
    refuse(path, block, bloomFilterFault(part, block.lengthBytes));
    filter = part;
    filterBytes = block.lengthBytes;
  }
  if (ranges === null && properties.rangeTombstones !== undefined)
    throw corruption(path, layout.dataBytes, 'the table has no part with its range tombstones');
  return { metadata, path, index, filter, filterBytes, ranges, slots, fault: null };
}

const IN_HEAD: ReadonlySet<number> = new Set([MetaBlockType.properties, MetaBlockType.slotVersions]);

/** What is wrong with the range tombstones of a table; undefined when nothing is. */
function rangesFault(memory: SharedArrayBuffer, properties: TableProperties): string | undefined {
  try {
    const { count } = decodeFragments(memory);
    if (count > 0 && count === properties.rangeTombstones) return undefined;
    return `${count} range tombstones where the table says that it has ${properties.rangeTombstones ?? 0}`;
  } catch (error) {
    return (error as Error).message;
  }
}

function readSlotSection(
  fs: FileSystem,
  fd: number,
  path: string,
  { lengthBytes, offset }: MetaBlock,
): TableHandle['slots'] {
  const place = { lengthBytes, offset };
  const bytes = new Uint8Array(headReadBytes(place));
  readExactly(fs, fd, path, bytes, bytes.length, offset);
  return { ...place, head: readHead(bytes, place, path) };
}

/**
 * The slot versions of a table that cannot be loaded, because something else of it is damaged; null when they cannot be
 * found, or may not be those of the table that `metadata` describes.
 */
export function findSlotVersions(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
): TableHandle['slots'] {
  const path = join(directory, tableFileName(metadata.id));
  try {
    using table = openTable(fs, path);
    const layout = readTableLayout(fs, table.fd, path);
    const block = layout.metaBlocks.find(({ type }) => type === MetaBlockType.slotVersions);
    if (block === undefined || layout.fileSizeBytes !== metadata.fileSizeBytes) return null;
    const slots = readSlotSection(fs, table.fd, path, block);
    return slots?.head.rows === metadata.entries ? slots : null;
  } catch (error) {
    if (!(error instanceof LsmError)) throw error;
    return null;
  }
}

/**
 * The seed of the fingerprints in the newest table that has slot versions; undefined when none has, or has them with a
 * seed that nobody has chosen, for the sake of values that expire.
 */
export function fingerprintSeedOf(tables: readonly OpenedTable[]): HashSeed | undefined {
  let newest: OpenedTable | undefined;
  for (const table of tables) {
    const isNewer = newest === undefined || table.metadata.id > newest.metadata.id;
    if (isNewer && table.slots !== null) newest = table;
  }
  const seed = newest?.slots?.head.seed;
  return seed === undefined || (seed.low === 0 && seed.high === 0) ? undefined : seed;
}

/**
 * The seed of a directory's hashes, which is stored in the filters of its tables: that of the newest table with a
 * filter, undefined when none has one.
 */
export function hashSeedOf(tables: readonly OpenedTable[]): HashSeed | undefined {
  const newestFirst = tables.filter(({ filterBytes }) => filterBytes > 0);
  newestFirst.sort((one, other) => other.metadata.id - one.metadata.id);
  for (const table of newestFirst) {
    const { filter, filterBytes } = 'load' in table ? table.load() : table;
    if (filterBytes > 0) return new BloomFilter(filter, filterBytes).seed;
  }
  return undefined;
}

/**
 * Reads what a table file says of itself, without its data blocks, index and filter.
 * @throws LsmError as `loadTable` does
 */
export function readTableMetadata(
  fs: FileSystem,
  directory: string,
  id: number,
  level: number,
): TableMetadata {
  const path = join(directory, tableFileName(id));
  using table = openTable(fs, path);
  const layout = readTableLayout(fs, table.fd, path);
  const properties = readProperties(fs, table.fd, path, layout);
  return { id, level, fileSizeBytes: layout.fileSizeBytes, ...properties };
}

/**
 * Whether the file has the footer and the properties of a whole table, but of another one than `metadata` describes.
 */
export function isAnotherTable(fs: FileSystem, directory: string, metadata: TableMetadata): boolean {
  try {
    const found = readTableMetadata(fs, directory, metadata.id, metadata.level);
    return differingProperty(found, metadata) !== undefined;
  } catch {
    return false;
  }
}

function readProperties(fs: FileSystem, fd: number, path: string, layout: TableLayout): TableProperties {
  const block = requireMetaBlock(layout, MetaBlockType.properties, path);
  const bytes = new Uint8Array(block.lengthBytes);
  readMetaBlock(fs, fd, path, block, bytes);
  return decodeProperties(bytes, path, block.offset);
}

function readWhole(
  fs: FileSystem,
  fd: number,
  path: string,
  block: MetaBlock,
  memoryFor: MemorySource,
): SharedArrayBuffer {
  const memory = memoryFor(block.lengthBytes);
  readMetaBlock(fs, fd, path, block, new Uint8Array(memory, 0, block.lengthBytes));
  return memory;
}

function refuse(path: string, block: MetaBlock, fault: string | undefined): void {
  if (fault !== undefined) throw corruption(path, block.offset, fault);
}

export interface OpenTable extends Disposable {
  readonly fd: number;
  readonly path: string;
}

/** @throws LsmError as `loadTable` does */
export function openTable(fs: FileSystem, path: string): OpenTable {
  let fd: number;
  try {
    fd = fs.openReadSync(path);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw ioFailure('open', path, error);
    throw new LsmError('CORRUPTION', `${path} is missing`, { file: path, offset: 0, cause: error });
  }
  return { fd, path, [Symbol.dispose]: () => fs.closeSync(fd) };
}
