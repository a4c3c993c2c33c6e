import { LsmError } from '../errors.ts';
import { compareBytes } from '../format/bytes.ts';
import type { HashSeed } from '../format/hash.ts';
import { recordFault, recordTimestamp } from '../format/record.ts';
import { slotOf } from '../format/slot.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { FilteringIterator } from '../iterator/filtering-iterator.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import { PackedIterator, type PackedPiece } from '../iterator/packed-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES } from '../iterator/page.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { type MemtableLimit, RecordLayers } from './record-layers.ts';
import { type TableOutputSpec, writeTables } from './table-output.ts';

/** Records from outside that go below all others. */
export interface IngestSource {
  /** Packed entries of all runs. */
  readonly entries: SharedArrayBuffer;
  /** Each in key order; a key may be in several of them. */
  readonly runs: readonly (readonly PackedPiece[])[];
  readonly largestTimestamp: number;
  /** All keys lie from here... */
  readonly smallestKey: Uint8Array;
  /** ...to here: what lies above and beside the records was chosen by it. */
  readonly largestKey: Uint8Array;
  /** What lies above the last level, the newest first. */
  readonly memtables: readonly MemtableLimit[];
  /** By level, from 0 on: those that overlap the records' range. */
  readonly above: readonly (readonly TableHandle[])[];
  /** The tables of the last level that overlap it: they are merged with the records. */
  readonly overlapping: readonly TableHandle[];
}

/** Plain data: it is posted to a pool thread. */
export interface IngestSpec extends IngestSource, TableOutputSpec {
  readonly maxRecordBytes: number;
  readonly hashSeed: HashSeed;
  readonly maxOpenFiles: number;
}

interface Ingested {
  readonly tables: readonly TableMetadata[];
  /** Packed: records that must not go below, because something older lies above. */
  readonly left: Uint8Array;
  /** The slots of what was taken. */
  readonly slots: SlotSet;
}

const READAHEAD_BYTES = 256 * 1024;

/**
 * Writes records to tables of the last level. A read stops at its first hit from above, so a record may go there only if
 * nothing older of its key lies above: one of which something older does is left to the caller, and one of which the same
 * or something newer does is not needed.
 * @throws LsmError CLOSED when cancelled, INVALID_ARGUMENT of records that are no records or not in order, CORRUPTION,
 *   NO_SPACE, IO_ERROR; then no output is left
 */
export function ingestRecords(
  fs: FileSystem,
  spec: IngestSpec,
  cancelled: () => boolean,
  expired?: SlotSet,
): Ingested {
  const bytes = new Uint8Array(spec.entries);
  const descriptors = new DescriptorCache(fs, spec.maxOpenFiles);
  try {
    const runs = spec.runs.map((pieces) => new PackedIterator(bytes, pieces));
    const records = runs.length === 1 ? runs[0] : new MergingIterator(runs);
    const above = new RecordLayers(fs, descriptors, spec.hashSeed, spec.memtables, spec.above);
    const taken = new TakenRecords(records, above, spec);
    const overlapping = spec.overlapping.map((handle) => new TableReader(handle));
    const tables = overlapping.map((reader) =>
      reader.iterator(fs, descriptors.get(reader.handle), READAHEAD_BYTES),
    );
    const ranges = RangeFragments.merged(overlapping.map((reader) => reader.ranges));
    // Of the same version, what is there stays, as with a put.
    const source = tables.length === 0 ? taken : new MergingIterator([...tables, taken]);
    const written = writeTables(fs, source, spec, cancelled, expired, ranges);
    return { tables: written, left: taken.left, slots: taken.slots };
  } finally {
    descriptors.closeAll();
  }
}

/** The records that may go below everything. */
class TakenRecords extends FilteringIterator<RecordIterator> {
  readonly slots = new SlotSet();
  readonly #above: RecordLayers;
  readonly #spec: IngestSpec;
  readonly #left: Uint8Array[] = [];

  constructor(records: RecordIterator, above: RecordLayers, spec: IngestSpec) {
    super(records);
    this.#above = above;
    this.#spec = spec;
  }

  get left(): Uint8Array {
    return Buffer.concat(this.#left);
  }

  protected override settle(): void {
    for (const { cursor } = this; cursor.valid; cursor.next()) {
      this.#refuseUnfit();
      const order = this.#above.compare(cursor);
      if (order !== undefined && order < 0) this.#leave();
      if (order !== undefined) continue;
      this.slots.add(slotOf(cursor.keyBytes, cursor.keyStart, cursor.keyEnd));
      return;
    }
  }

  /**
   * A larger record has no room in the rings. One with a later timestamp was not guarded while it was written. And one
   * beyond the range may lie in tables that nobody has looked at, with which those that are written would overlap.
   */
  #refuseUnfit(): void {
    const { largestKey, largestTimestamp, maxRecordBytes, smallestKey } = this.#spec;
    const { keyBytes, keyEnd, keyStart, recordBytes, recordEnd, recordStart } = this.cursor;
    if (
      compareBytes(keyBytes, keyStart, keyEnd, smallestKey, 0, smallestKey.length) < 0 ||
      compareBytes(keyBytes, keyStart, keyEnd, largestKey, 0, largestKey.length) > 0
    )
      throw new LsmError('INVALID_ARGUMENT', 'a key to be taken lies outside of the range that was given');
    if (recordEnd - recordStart > maxRecordBytes)
      throw new LsmError('INVALID_ARGUMENT', `a record to be taken has more than ${maxRecordBytes} bytes`);
    const fault = recordFault(recordBytes, recordStart, recordEnd);
    if (fault !== undefined) throw new LsmError('INVALID_ARGUMENT', `a record to be taken is none: ${fault}`);
    if (recordTimestamp(recordBytes, recordStart) > largestTimestamp)
      throw new LsmError('INVALID_ARGUMENT', `a record to be taken is later than ${largestTimestamp}`);
  }

  #leave(): void {
    const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = this.cursor;
    const entry = Buffer.alloc(PAGE_ENTRY_HEADER_BYTES + keyEnd - keyStart + recordEnd - recordStart);
    entry.writeUInt32LE(keyEnd - keyStart, 0);
    entry.writeUInt32LE(recordEnd - recordStart, 4);
    entry.set(keyBytes.subarray(keyStart, keyEnd), PAGE_ENTRY_HEADER_BYTES);
    entry.set(recordBytes.subarray(recordStart, recordEnd), PAGE_ENTRY_HEADER_BYTES + keyEnd - keyStart);
    this.#left.push(entry);
  }
}
