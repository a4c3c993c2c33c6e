import type { HashSeed } from '../format/hash.ts';
import { recordExpiryMs } from '../format/record.ts';
import { slotOf } from '../format/slot.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { FilteringIterator } from '../iterator/filtering-iterator.ts';
import { SortedEntries } from '../iterator/sorted-entries.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { RecordLayers } from './record-layers.ts';
import { type TableOutputSpec, withSlotVersions, writeTables } from './table-output.ts';

/** A batch that is too large for a memtable. */
export interface BatchSource {
  /** Packed entries, in any order; a key may be in several of them. */
  readonly entries: SharedArrayBuffer;
  /** By level, from 0 on: the tables that may hold something newer than the batch. */
  readonly newer: readonly (readonly TableHandle[])[];
}

/** Plain data: it is posted to a pool thread. */
export interface BatchSpec extends BatchSource, TableOutputSpec {
  readonly hashSeed: HashSeed;
  readonly maxOpenFiles: number;
}

interface WrittenBatch {
  readonly tables: readonly TableMetadata[];
  /** The slots of what was written. */
  readonly slots: SlotSet;
}

/**
 * Writes the records of a batch, sorted, to tables that go on top of what the batch meets. So a record of which the same
 * version or a newer one is there is left out, as a put of it would be.
 * @throws LsmError CLOSED when cancelled, CORRUPTION, NO_SPACE, IO_ERROR; then no output is left
 */
export function writeBatchTables(fs: FileSystem, spec: BatchSpec, cancelled: () => boolean): WrittenBatch {
  const descriptors = new DescriptorCache(fs, spec.maxOpenFiles);
  try {
    const layers = spec.newer.some((tables) => tables.length > 0)
      ? new RecordLayers(fs, descriptors, spec.hashSeed, [], spec.newer)
      : undefined;
    const entries = new SortedEntries(new Uint8Array(spec.entries));
    const output = { ...spec, table: withSlotVersions(spec.table, () => hasExpiring(entries)) };
    const records = new NewestRecords(entries, layers);
    const tables = writeTables(fs, records, output, cancelled);
    return { tables, slots: records.slots };
  } finally {
    descriptors.closeAll();
  }
}

function hasExpiring(entries: SortedEntries): boolean {
  for (entries.seekToFirst(); entries.valid; entries.next())
    if (recordExpiryMs(entries.recordBytes, entries.recordStart) > 0) return true;
  return false;
}

/** The records of which nothing newer is there. */
class NewestRecords extends FilteringIterator<SortedEntries> {
  readonly slots = new SlotSet();
  readonly #layers: RecordLayers | undefined;

  /** @param layers undefined: nothing newer can be there */
  constructor(records: SortedEntries, layers: RecordLayers | undefined) {
    super(records);
    this.#layers = layers;
  }

  protected override settle(): void {
    const { cursor } = this;
    while (cursor.valid && (this.#layers?.compare(cursor) ?? -1) >= 0) cursor.next();
    if (cursor.valid) this.slots.add(slotOf(cursor.keyBytes, cursor.keyStart, cursor.keyEnd));
  }
}
