import { corruption } from '../errors.ts';
import { compareBytes } from '../format/bytes.ts';
import { ownBytes, withRoom } from '../format/copy.ts';
import { hashBytes } from '../format/hash.ts';
import { readUint32 } from '../format/integers.ts';
import {
  isTombstone,
  recordExpiryMs,
  recordFault,
  recordTimestamp,
  recordValueStart,
} from '../format/record.ts';
import { readVarint } from '../format/varint.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { RESTART_BYTES } from '../sstable/block.ts';
import { BLOCK_TRAILER_BYTES } from '../sstable/block-codec.ts';
import { differingProperty, type TableProperties } from '../sstable/properties.ts';
import { withRanges } from '../sstable/range-bounds.ts';
import { commonPrefixBytes } from '../sstable/separator.ts';
import { SlotSectionBuilder } from '../sstable/slot-section-builder.ts';
import { MetaBlockType, requireMetaBlock } from '../sstable/table-format.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { BlockReader } from './block-reader.ts';
import { type Damage, damageOf, openFile } from './folder.ts';
import { type BlockPlace, blocksOf, surveyTable, type TableSurvey } from './table-survey.ts';

/**
 * Reads every byte of a table and checks it: checksums of all parts, the order of keys within and across blocks,
 * records, restart points, prefixes, that every key is in its filter and where its index says, and that properties and
 * slot versions are true. Yields bytes as it reads them; returns what could be read of the parts.
 * @param listed what the manifest says of it; undefined for a table that no manifest lists
 */
export function* verifyTable(
  fs: FileSystem,
  path: string,
  listed: TableMetadata | undefined,
  report: (damage: Damage) => void,
): Generator<number, TableSurvey, void> {
  const survey = surveyTable(fs, path);
  survey.damages.forEach(report);
  const { index, layout, properties, sizeBytes } = survey;
  if (listed !== undefined && layout !== undefined && sizeBytes !== listed.fileSizeBytes) {
    const place = Math.min(sizeBytes, listed.fileSizeBytes);
    report(damageOf(corruption(path, place, `${sizeBytes} bytes instead of ${listed.fileSizeBytes}`), path));
  }
  if (listed !== undefined && layout !== undefined && properties !== undefined) {
    const differing = differingProperty(properties, listed);
    const { offset } = requireMetaBlock(layout, MetaBlockType.properties, path);
    const what = `it is another table than the manifest lists: they differ in ${differing}`;
    if (differing !== undefined) report(damageOf(corruption(path, offset, what), path));
  }
  if (index === undefined || layout === undefined) {
    yield sizeBytes;
    return survey;
  }
  yield sizeBytes - layout.dataBytes;
  using file = openFile(fs, path);
  const check = new EntryCheck(survey, report);
  const reader = new BlockReader(fs, file.fd, path);
  for (const [ordinal, block] of blocksOf(index).entries()) {
    verifyBlockAt(reader, block, ordinal, check, report, path);
    yield block.diskBytes + BLOCK_TRAILER_BYTES;
  }
  check.finish();
  return survey;
}

function verifyBlockAt(
  reader: BlockReader,
  block: BlockPlace,
  ordinal: number,
  check: EntryCheck,
  report: (damage: Damage) => void,
  path: string,
): void {
  try {
    reader.read(block);
  } catch (error) {
    check.skipBlock();
    report(damageOf(error, path));
    return;
  }
  const fault = check.block(reader, block, ordinal);
  if (fault !== undefined) report(damageOf(corruption(path, block.offset, fault), path));
}

/** Checks the entries of a table, block by block, and adds them up. */
class EntryCheck {
  readonly #survey: TableSurvey;
  readonly #report: (damage: Damage) => void;
  /** The slot versions as they should be. */
  readonly #slots: SlotSectionBuilder | undefined;
  #previous: Uint8Array = new Uint8Array(256);
  #previousEnd = -1;
  /** The first key of the current block. */
  #blockKey: Uint8Array = new Uint8Array(256);
  #blockKeyEnd = 0;
  #smallestKey: Uint8Array | undefined;
  #isWhole = true;
  #entries = 0;
  #tombstones = 0;
  #rawSizeBytes = 0;
  #smallestTimestamp = Number.MAX_SAFE_INTEGER;
  #largestTimestamp = 0;
  #smallestExpiryMs = 0;

  constructor(survey: TableSurvey, report: (damage: Damage) => void) {
    this.#survey = survey;
    this.#report = report;
    const found = survey.slotVersions;
    this.#slots = found === undefined ? undefined : new SlotSectionBuilder(found.head.seed);
  }

  /** A block could not be read, so the sums mean nothing any more. */
  skipBlock(): void {
    this.#isWhole = false;
  }

  /** The first thing that is wrong with the entries of the block; undefined when nothing is. */
  block(reader: BlockReader, { memoryBytes }: BlockPlace, ordinal: number): string | undefined {
    const { cursor, bytes } = reader;
    const restarts = readUint32(bytes, memoryBytes - RESTART_BYTES);
    const restartsAt = memoryBytes - RESTART_BYTES * (restarts + 1);
    let restart = 0;
    let entryAt = 0;
    let fault: string | undefined;
    for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
      const shared = readVarint(bytes, entryAt);
      const isRestart =
        restart < restarts && readUint32(bytes, restartsAt + restart * RESTART_BYTES) === entryAt;
      if (isRestart) restart++;
      fault ??= this.#entry(reader, ordinal, shared, isRestart, entryAt === 0);
      entryAt = cursor.recordEnd;
    }
    fault ??= cursor.fault;
    if (restart < restarts) fault ??= `restart point ${restart} is not where an entry starts`;
    if (entryAt === 0) fault ??= 'a block without entries';
    if (fault !== undefined) this.#isWhole = false;
    return fault;
  }

  #entry(
    { cursor }: BlockReader,
    ordinal: number,
    shared: number,
    isRestart: boolean,
    isFirst: boolean,
  ): string | undefined {
    const { keyBytes, keyEnd, recordBytes, recordStart, recordEnd } = cursor;
    const { index, filter } = this.#survey;
    const place = `entry ${this.#entries}`;
    const fault = recordFault(recordBytes, recordStart, recordEnd);
    if (fault !== undefined) return `${place}: ${fault}`;
    if (
      this.#previousEnd >= 0 &&
      compareBytes(this.#previous, 0, this.#previousEnd, keyBytes, 0, keyEnd) >= 0
    ) {
      return `${place}: its key is not above the one before it`;
    }
    if (isFirst) {
      this.#blockKey = withRoom(this.#blockKey, 0, keyEnd);
      this.#blockKey.set(keyBytes.subarray(0, keyEnd));
      this.#blockKeyEnd = keyEnd;
    }
    const common = isFirst ? 0 : this.#commonBytes(isRestart, keyBytes, keyEnd);
    if (shared !== common)
      return `${place}: it shares ${shared} bytes of its key where ${common} are the same`;
    if (index?.find(keyBytes, 0, keyEnd) !== ordinal)
      return `${place}: its key is not where the index has it`;
    if (filter?.mayContain(hashBytes(keyBytes, 0, keyEnd, filter.seed)) === false)
      return `${place}: its key is not in the filter`;
    this.#count(cursor);
    this.#slots?.add(keyBytes, 0, keyEnd, recordBytes, recordStart, ordinal);
    return undefined;
  }

  /** How much a key has in common with the one whose beginning it leaves out. */
  #commonBytes(isRestart: boolean, keyBytes: Uint8Array, keyEnd: number): number {
    return isRestart
      ? commonPrefixBytes(this.#blockKey, 0, this.#blockKeyEnd, keyBytes, 0, keyEnd)
      : commonPrefixBytes(this.#previous, 0, this.#previousEnd, keyBytes, 0, keyEnd);
  }

  #count({ keyBytes, keyEnd, recordBytes, recordStart, recordEnd }: BlockReader['cursor']): void {
    this.#previous = withRoom(this.#previous, 0, keyEnd);
    this.#previous.set(keyBytes.subarray(0, keyEnd));
    this.#previousEnd = keyEnd;
    this.#smallestKey ??= ownBytes(keyBytes, 0, keyEnd);
    this.#entries++;
    if (isTombstone(recordBytes, recordStart)) this.#tombstones++;
    this.#rawSizeBytes += keyEnd + recordEnd - recordValueStart(recordBytes, recordStart);
    const timestamp = recordTimestamp(recordBytes, recordStart);
    this.#smallestTimestamp = Math.min(this.#smallestTimestamp, timestamp);
    this.#largestTimestamp = Math.max(this.#largestTimestamp, timestamp);
    const expiryMs = recordExpiryMs(recordBytes, recordStart);
    if (expiryMs > 0 && (this.#smallestExpiryMs === 0 || expiryMs < this.#smallestExpiryMs))
      this.#smallestExpiryMs = expiryMs;
  }

  /** Whether properties and slot versions are true. */
  finish(): void {
    if (!this.#isWhole) return;
    // Entries that were exchanged for others are one fault, which shows in both.
    if (this.#checkProperties()) this.#checkSlotVersions();
  }

  /** They follow from the entries, byte by byte. */
  #checkSlotVersions(): void {
    const { path, slotVersions: found } = this.#survey;
    const expected = this.#slots?.finish();
    if (found === undefined || expected === undefined) return;
    const at = expected.findIndex((byte, index) => byte !== found.bytes[index]);
    if (at < 0 && expected.length === found.bytes.length) return;
    const what = 'its slot versions are not those of its entries';
    this.#report(damageOf(corruption(path, found.block.offset + Math.max(0, at), what), path));
  }

  #checkProperties(): boolean {
    const { layout, path, properties, ranges } = this.#survey;
    if (layout === undefined || properties === undefined || ranges === undefined) return true;
    const entries: TableProperties = {
      entries: this.#entries,
      tombstones: this.#tombstones,
      rawSizeBytes: this.#rawSizeBytes,
      smallestKey: this.#smallestKey ?? new Uint8Array(0),
      largestKey: ownBytes(this.#previous, 0, Math.max(0, this.#previousEnd)),
      smallestTimestamp: this.#smallestTimestamp,
      largestTimestamp: this.#largestTimestamp,
      smallestExpiryMs: this.#smallestExpiryMs,
    };
    const differing = differingProperty(properties, withRanges(entries, ranges));
    if (differing === undefined) return true;
    const { offset } = requireMetaBlock(layout, MetaBlockType.properties, path);
    const what = `its property ${differing} is not what its entries add up to`;
    this.#report(damageOf(corruption(path, offset, what), path));
    return false;
  }
}
