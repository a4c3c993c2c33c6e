import { join } from 'node:path';
import { LsmError } from '../errors.ts';
import { copyBytes } from '../format/bytes.ts';
import { checksum } from '../format/checksum.ts';
import { ownBytes, withRoom } from '../format/copy.ts';
import { type HashSeed, hashBytes } from '../format/hash.ts';
import {
  isTombstone,
  recordExpiryMs,
  recordFault,
  recordTimestamp,
  recordValueStart,
} from '../format/record.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { encodeFragments } from '../range-tombstones/fragment-codec.ts';
import type { RangeFragments } from '../range-tombstones/fragments.ts';
import { BlockBuilder } from './block-builder.ts';
import {
  BLOCK_TRAILER_BYTES,
  type BlockCompressor,
  blockCompressor,
  Compression,
  type CompressionName,
  writeBlockTrailer,
} from './block-codec.ts';
import { bloomFilterBytes, buildBloomFilter } from './bloom-filter.ts';
import { OutputBuffer } from './output-buffer.ts';
import { encodeProperties, type TableProperties } from './properties.ts';
import { withRanges } from './range-bounds.ts';
import { RowColumns } from './row-columns.ts';
import { commonPrefixBytes, writeSeparator } from './separator.ts';
import { SlotSectionBuilder } from './slot-section-builder.ts';
import {
  encodeDirectory,
  encodeFooter,
  FOOTER_BYTES,
  MAX_TABLE_BYTES,
  META_ENTRY_BYTES,
  type MetaBlock,
  MetaBlockType,
} from './table-format.ts';
import { TableIndexBuilder } from './table-index.ts';
import { type TableMetadata, tableFileName, temporaryTableFileName } from './table-metadata.ts';

const MAX_TABLE_KEY_BYTES = 0xffff;
/** Memory for longer keys is taken when one comes. */
const USUAL_KEY_BYTES = 256;
/**
 * The index stays in memory, so it may take a 32nd of the data, plus `FREE_INDEX_BYTES`. A block that would make it
 * larger does not end: the next keys go into the same block. Only long keys that have little in common reach this
 * bound; with keys of 10 bytes an index takes a 300th.
 */
const INDEX_SHARE = 32;
const FREE_INDEX_BYTES = 16 * 1024;
/** Room for properties other than keys, directory and footer, when a size is estimated. */
const FIXED_BYTES = 256 + 5 * META_ENTRY_BYTES + FOOTER_BYTES;

export interface TableWriterOptions {
  /**
   * A block grows up to this size uncompressed. Its first key does not count, because a long key would otherwise fill
   * it alone. A larger record has a block of its own.
   */
  readonly blockSizeBytes: number;
  /** A search may begin at every entry whose number is a multiple of this. */
  readonly restartInterval: number;
  readonly compression: CompressionName;
  readonly zstdLevel: number;
  /** 0: no filter. */
  readonly bloomBitsPerKey: number;
  /** The seed of the hashes in the filter. */
  readonly hashSeed: HashSeed;
  /**
   * Whether the table gets slot versions, 12 to 14 bytes a record: fingerprint and version of each, and samples of what
   * expires.
   */
  readonly slotVersions: boolean;
  /** The seed of the fingerprints in them. */
  readonly fingerprintSeed: HashSeed;
}

/**
 * Writes one table, entry by entry in ascending order of keys, to a temporary file that `finish` syncs and renames.
 * After an error of the file only `abandon` may be called. Disposing abandons an unfinished table.
 */
export class TableWriter implements Disposable {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #id: number;
  readonly #options: TableWriterOptions;
  readonly #temporaryPath: string;
  #fd: number;
  #finished = false;
  /**
   * Nothing may be added, nor the table be finished: it is, or may have a part of a block only. When its file is closed
   * its memory and descriptor may be those of another table.
   */
  #isOver = false;
  readonly #output: OutputBuffer;
  readonly #block: BlockBuilder;
  readonly #compress: BlockCompressor;
  readonly #index = TableIndexBuilder.take();
  readonly #columns = RowColumns.take();
  readonly #slots: SlotSectionBuilder | null;
  #blocks = 0;
  readonly #trailer = new Uint8Array(BLOCK_TRAILER_BYTES);
  #previousKey: Uint8Array = new Uint8Array(USUAL_KEY_BYTES);
  #previousKeyLength = 0;
  /** As large as the previous key's. */
  #separator: Uint8Array = new Uint8Array(USUAL_KEY_BYTES);
  /** The size of the blocks written so far. */
  #blocksBytes = 0;
  #smallestKey: Uint8Array = new Uint8Array(0);
  #entries = 0;
  #tombstones = 0;
  #rawSizeBytes = 0;
  #smallestTimestamp = Number.MAX_SAFE_INTEGER;
  #largestTimestamp = 0;
  #smallestExpiryMs = 0;

  /** @param syncEveryBytes the file is synced in steps of about this size while it is written */
  constructor(
    fs: FileSystem,
    directory: string,
    id: number,
    options: TableWriterOptions,
    syncEveryBytes = Number.POSITIVE_INFINITY,
  ) {
    this.#fs = fs;
    this.#directory = directory;
    this.#id = id;
    this.#options = options;
    this.#temporaryPath = join(directory, temporaryTableFileName(id));
    this.#slots = options.slotVersions
      ? new SlotSectionBuilder(options.fingerprintSeed, this.#columns)
      : null;
    this.#block = new BlockBuilder(options.restartInterval, options.blockSizeBytes);
    this.#compress = blockCompressor(options.compression, options.zstdLevel, options.blockSizeBytes);
    try {
      this.#fd = fs.createSync(this.#temporaryPath);
    } catch (error) {
      throw ioFailure('create', this.#temporaryPath, error);
    }
    this.#output = new OutputBuffer(fs, this.#fd, this.#temporaryPath, syncEveryBytes);
  }

  get entries(): number {
    return this.#entries;
  }

  /** The key that was added last. */
  get lastKey(): Uint8Array {
    return ownBytes(this.#previousKey, 0, this.#previousKeyLength);
  }

  /** An estimate of the file's size if it were finished now. */
  get estimatedSizeBytes(): number {
    const bits = this.#options.bloomBitsPerKey;
    const filterBytes = bits === 0 ? 0 : bloomFilterBytes(this.#entries, bits);
    const slotsBytes = this.#slots === null ? 0 : this.#slots.estimatedSizeBytes;
    const metaBytes = this.#index.sizeBytes + filterBytes + slotsBytes + FIXED_BYTES;
    return this.#output.offset + this.#block.sizeBytes + metaBytes;
  }

  /**
   * Adds the entry of key `keyBytes[keyStart, keyEnd)` and record `recordBytes[recordStart, recordEnd)`, which are
   * copied.
   * @throws LsmError INVALID_ARGUMENT when the key is too long or not above the one before it, the record is invalid,
   *   or the table would grow beyond 4 GiB; NO_SPACE, IO_ERROR; CLOSED after one of the two, and after `finish`
   */
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    recordBytes: Uint8Array,
    recordStart: number,
    recordEnd: number,
  ): void {
    if (this.#isOver) throw over();
    const keyLength = keyEnd - keyStart;
    const recordLength = recordEnd - recordStart;
    const previous = this.#previousKey;
    const previousLength = this.#previousKeyLength;
    const shared = commonPrefixBytes(previous, 0, previousLength, keyBytes, keyStart, keyEnd);
    if (this.#entries > 0) {
      const ascends =
        shared < keyLength && (shared === previousLength || previous[shared] < keyBytes[keyStart + shared]);
      if (!ascends) throw invalid('keys of a table must be added in ascending order, each once');
    }
    if (keyLength > MAX_TABLE_KEY_BYTES) {
      throw invalid(`a key of ${keyLength} bytes; at most ${MAX_TABLE_KEY_BYTES} are possible`);
    }
    const fault = recordFault(recordBytes, recordStart, recordEnd);
    if (fault !== undefined) throw invalid(fault);
    const block = this.#block;
    if (
      block.entries > 0 &&
      block.sizeWithBytes(shared, keyLength, recordLength) >
        this.#options.blockSizeBytes + block.firstKeyBytes
    ) {
      this.#endBlockBefore(keyBytes, keyStart, keyEnd, shared);
    }
    block.add(shared, keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd);
    if (keyLength > previous.length) this.#growKeys(shared, keyLength);
    copyBytes(keyBytes, keyStart + shared, keyEnd, this.#previousKey, shared);
    this.#previousKeyLength = keyLength;
    if (this.#entries === 0) this.#smallestKey = ownBytes(keyBytes, keyStart, keyEnd);
    this.#count(recordBytes, recordStart, keyLength, recordEnd);
    this.#slots?.add(keyBytes, keyStart, keyEnd, recordBytes, recordStart, this.#blocks);
    const { bloomBitsPerKey, hashSeed } = this.#options;
    if (bloomBitsPerKey > 0) {
      if (this.#entries === this.#columns.hashes.length) this.#columns.growHashes();
      this.#columns.hashes[this.#entries] = hashBytes(keyBytes, keyStart, keyEnd, hashSeed);
    }
    this.#entries++;
  }

  /**
   * Writes what is left, syncs the file and gives it its name; the caller syncs the directory.
   * @param level only for the metadata
   * @param ranges the range tombstones of the table
   * @throws LsmError INVALID_ARGUMENT when nothing was added, NO_SPACE, IO_ERROR, CLOSED as `add`
   */
  finish(level: number, ranges: RangeFragments | null = null): TableMetadata {
    if (this.#isOver) throw over();
    if (this.#entries === 0) throw invalid('a table without entries');
    this.#endBlock(this.#previousKey, this.#previousKeyLength);
    this.#isOver = true;
    const properties = withRanges(this.#properties(), ranges);
    this.#writeMeta(properties, ranges);
    const fileSizeBytes = this.#output.offset;
    this.#publish();
    return { id: this.#id, level, fileSizeBytes, ...properties };
  }

  /** Closes and removes the temporary file; does nothing after `finish`. Never throws, because it follows an error. */
  abandon(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#isOver = true;
    try {
      this.#close();
    } catch {
      // The descriptor is closed in any case.
    }
    try {
      this.#fs.removeSync(this.#temporaryPath);
    } catch {
      // The next start removes every temporary file.
    }
  }

  [Symbol.dispose](): void {
    this.abandon();
  }

  /** @param keptBytes of the previous key */
  #growKeys(keptBytes: number, lengthBytes: number): void {
    this.#previousKey = withRoom(this.#previousKey, keptBytes, lengthBytes);
    this.#separator = withRoom(this.#separator, 0, this.#previousKey.length);
  }

  #count(record: Uint8Array, recordStart: number, keyLength: number, recordEnd: number): void {
    this.#rawSizeBytes += keyLength + recordEnd - recordValueStart(record, recordStart);
    if (isTombstone(record, recordStart)) this.#tombstones++;
    const timestamp = recordTimestamp(record, recordStart);
    if (timestamp < this.#smallestTimestamp) this.#smallestTimestamp = timestamp;
    if (timestamp > this.#largestTimestamp) this.#largestTimestamp = timestamp;
    const expiryMs = recordExpiryMs(record, recordStart);
    if (expiryMs > 0 && (this.#smallestExpiryMs === 0 || expiryMs < this.#smallestExpiryMs)) {
      this.#smallestExpiryMs = expiryMs;
    }
  }

  /** Ends the block before the key, if the index has room for another entry. */
  #endBlockBefore(keyBytes: Uint8Array, keyStart: number, keyEnd: number, shared: number): void {
    const separator = this.#separator;
    const length = writeSeparator(
      this.#previousKey,
      this.#previousKeyLength,
      keyBytes,
      keyStart,
      keyEnd,
      shared,
      separator,
      0,
    );
    const indexBytes = this.#index.sizeBytes + this.#index.entryBytes(separator, length);
    const dataBytes = this.#blocksBytes + this.#block.sizeBytes;
    if (indexBytes <= FREE_INDEX_BYTES + dataBytes / INDEX_SHARE) this.#endBlock(separator, length);
  }

  /** Writes the block, and its place under this key into the index. */
  #endBlock(key: Uint8Array, keyLength: number): void {
    const memoryBytes = this.#block.finish();
    const block = this.#block.bytes.subarray(0, memoryBytes);
    const stored = this.#compress(block);
    const compression = stored === block ? Compression.none : Compression[this.#options.compression];
    writeBlockTrailer(this.#trailer, stored, compression);
    const offset = this.#output.offset;
    // Unless both are there.
    this.#isOver = true;
    this.#append(stored);
    this.#append(this.#trailer);
    this.#isOver = false;
    this.#index.addBlock(offset, this.#output.offset, memoryBytes, key, keyLength);
    this.#blocksBytes += memoryBytes;
    this.#blocks++;
    this.#block.reset();
  }

  #writeMeta(properties: TableProperties, ranges: RangeFragments | null): void {
    const dataBytes = this.#output.offset;
    const metaBlocks: MetaBlock[] = [];
    const addMeta = (type: number, required: boolean, bytes: Uint8Array) => {
      const offset = this.#output.offset;
      const crc = checksum(bytes, 0, bytes.length);
      metaBlocks.push({ type, required, offset, lengthBytes: bytes.length, checksum: crc });
      this.#append(bytes);
    };
    addMeta(MetaBlockType.index, true, this.#index.finish());
    const { bloomBitsPerKey: bits, hashSeed } = this.#options;
    if (bits > 0) {
      const memory = this.#columns.filterMemory(bloomFilterBytes(this.#entries, bits));
      const filter = buildBloomFilter(this.#columns.hashes, this.#entries, bits, hashSeed, memory);
      addMeta(MetaBlockType.bloomFilter, false, filter);
    }
    if (this.#slots !== null) addMeta(MetaBlockType.slotVersions, false, this.#slots.finish());
    if (ranges !== null && ranges.count > 0)
      addMeta(MetaBlockType.rangeTombstones, true, encodeFragments(ranges));
    addMeta(MetaBlockType.properties, true, encodeProperties(properties));
    const directoryOffset = this.#output.offset;
    const directory = encodeDirectory(metaBlocks);
    this.#append(directory);
    this.#append(encodeFooter(dataBytes, directoryOffset, directory));
  }

  #properties(): TableProperties {
    return {
      entries: this.#entries,
      tombstones: this.#tombstones,
      rawSizeBytes: this.#rawSizeBytes,
      smallestKey: this.#smallestKey,
      largestKey: this.lastKey,
      smallestTimestamp: this.#smallestTimestamp,
      largestTimestamp: this.#largestTimestamp,
      smallestExpiryMs: this.#smallestExpiryMs,
    };
  }

  #append(bytes: Uint8Array): void {
    if (this.#output.offset + bytes.length > MAX_TABLE_BYTES) throw invalid('a table above 4 GiB');
    this.#output.append(bytes, 0, bytes.length);
  }

  #publish(): void {
    this.#output.flush();
    try {
      this.#fs.fdatasyncSync(this.#fd);
      this.#close();
      this.#fs.renameSync(this.#temporaryPath, join(this.#directory, tableFileName(this.#id)));
    } catch (error) {
      throw ioFailure('sync and rename', this.#temporaryPath, error);
    }
    this.#finished = true;
  }

  #close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    this.#output.release();
    this.#columns.release();
    this.#index.release();
    this.#block.release();
    this.#fs.closeSync(fd);
  }
}

function over(): LsmError {
  return new LsmError(
    'CLOSED',
    'the table takes nothing more: it is finished or given up, or could not be written',
  );
}

function invalid(what: string): LsmError {
  return new LsmError('INVALID_ARGUMENT', `the table cannot be written: ${what}`);
}
