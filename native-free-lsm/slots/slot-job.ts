import { LsmError } from '../errors.ts';
import { ownBytes } from '../format/copy.ts';
import { Fingerprinter } from '../format/fingerprint.ts';
import type { HashSeed } from '../format/hash.ts';
import { encodeRecord, recordFrom, recordTimestamp, recordWriter } from '../format/record.ts';
import { SLOT_COUNT } from '../format/slot.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { isDamage } from '../sstable/damage.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { type RowSink, SlotSection } from '../sstable/slot-section.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { TableReader } from '../sstable/table-reader.ts';
import { refuseUnreadable } from '../sstable/unreadable-table.ts';
import {
  type HidingRow,
  type LostFindings,
  LostRows,
  type QuarantinedTable,
  unknownFindings,
} from './lost-rows.ts';
import { MemtableSlots, type MemtableView } from './memtable-slots.ts';
import { ScannedRows } from './scanned-rows.ts';
import { LOST_SOURCE, SlotRows } from './slot-rows.ts';
import { SlotSet } from './slot-set.ts';
import type { SlotVersions } from './slot-versions.ts';
import { TableBlocks } from './table-blocks.ts';

/** From this share of all slots on, tables are read ahead. */
const SCAN_SLOTS = SLOT_COUNT / 16;
const MAX_OPEN_FILES = 128;
/** How many rows of tables that must be scanned are held in memory. */
const MAX_SCANNED_ROWS = 200_000;

/** A job ends when it has found so much, and what is left is asked for again, by whoever still wants it. */
const MAX_RECORD_BYTES = 4 * 1024 * 1024;
/** The next look finds the others. */
const MAX_DELETIONS = 1_024;
const NO_VALUE = new Uint8Array(0);

/** Records that somebody wants: two words for each fingerprint. */
interface WantedRecords {
  readonly slot: number;
  readonly fingerprints: Uint32Array;
  readonly maxBytes: number;
}

/** What to find out of which slots. Plain data: it is posted to a pool thread. */
export interface SlotJobSpec {
  /** Those that have a place in the order of levels. */
  readonly tables: readonly TableHandle[];
  /** Those that have none, as far as their slot versions can be read. */
  readonly quarantine: readonly QuarantinedTable[];
  /** Slots in which what may have been purged is known to be nowhere, by SlotSet. */
  readonly givenUp: Uint8Array;
  /** Whether private versions that are lost are waited for by nobody. */
  readonly arePrivateGivenUp: boolean;
  /** Ids of tables whose slot versions are damaged: their entries are read instead. */
  readonly scanned: readonly number[];
  readonly memtables: readonly MemtableView[];
  readonly seed: HashSeed;
  readonly maxOpenFiles: number;
  /** All slots that are asked for, ascending, each once. */
  readonly slots: Uint16Array;
  /** Of these slots. */
  readonly watermarks: Float64Array;
  /** Of which slots digests are wanted, by SlotSet, and of which none is known; others are true unless a memtable says not. */
  readonly digested: Uint8Array;
  readonly unknown: Uint8Array;
  /** The values of `from` from which on digests are wanted. */
  readonly minFroms: Uint8Array;
  /** Of which slots versions are wanted, by SlotSet. */
  readonly listed: Uint8Array;
  /** Of which slots it is wanted what is lost, by SlotSet. */
  readonly checked: Uint8Array;
  readonly records: readonly WantedRecords[];
  /** The job ends after the slot with which it has looked at so many rows: memtables that it reads wait for its end. */
  readonly maxRows: number;
}

/** Plain data. */
export interface SlotJobResult {
  /** How many of the slots asked for it has treated; the others are to be asked for again. */
  readonly done: number;
  /** Slots that have changed since the last job, by SlotSet. */
  readonly changed: Uint8Array;
  /** Slots with new digests, and these: two words for each slot and each of `minFroms`. */
  readonly digested: Uint16Array;
  readonly sums: Uint32Array;
  /** Of these slots: see SlotRows.nextPurge. */
  readonly nextPurges: Float64Array;
  /** Of the slots that were listed, in their order. */
  readonly versions: readonly SlotVersions[];
  /** What was found out about tables in quarantine, as far as slots were treated. */
  readonly lost: readonly LostFindings[];
  /** Deletions that are lost, made again, because older records of their keys are there: to be put. */
  readonly deletions: readonly { readonly key: Uint8Array; readonly record: Uint8Array }[];
  /** For each of the wanted records whose slots were treated, in the order of slots. */
  readonly records: readonly { readonly key: Uint8Array; readonly record: Uint8Array }[][];
}

/**
 * Finds out what is asked of slots, from tables and memtables of one super-version, slot by slot in ascending order.
 * @throws LsmError CLOSED when cancelled, CORRUPTION with file and offset, IO_ERROR
 */
export function runSlotJob(fs: FileSystem, spec: SlotJobSpec, cancelled: () => boolean): SlotJobResult {
  const job = new SlotJob(fs, spec, cancelled);
  try {
    return job.run();
  } finally {
    job.close();
  }
}

class SlotJob {
  readonly #fs: FileSystem;
  readonly #spec: SlotJobSpec;
  readonly #cancelled: () => boolean;
  readonly #descriptors: DescriptorCache;
  readonly #changed = new SlotSet();
  readonly #rows = new SlotRows();
  readonly #fingerprinter: Fingerprinter;
  readonly #memtables: readonly MemtableSlots[];
  /** Versions with `from` 0 in the levels, where something may be lost. */
  #privateRows: SlotRows | null = null;
  readonly #givenUp: SlotSet;
  /** By table id; null: its slot versions cannot be read. */
  readonly #quarantine = new Map<number, LostRows | null>();
  readonly #sections: { readonly section: SlotSection; readonly source: number }[] = [];
  #scan: ScannedRows | null = null;
  readonly #blocks = new Map<number, TableBlocks>();
  readonly #deletions: { key: Uint8Array; record: Uint8Array }[] = [];
  /** Of the records found so far. */
  #recordBytes = 0;

  constructor(fs: FileSystem, spec: SlotJobSpec, cancelled: () => boolean) {
    this.#fs = fs;
    this.#spec = spec;
    this.#givenUp = new SlotSet(spec.givenUp);
    this.#cancelled = cancelled;
    this.#descriptors = new DescriptorCache(fs, Math.min(spec.maxOpenFiles, MAX_OPEN_FILES));
    this.#fingerprinter = new Fingerprinter(spec.seed);
    this.#memtables = spec.memtables.map((view) => new MemtableSlots(view, spec.seed));
  }

  run(): SlotJobResult {
    const { minFroms, slots, watermarks } = this.#spec;
    for (const memtable of this.#memtables) memtable.look(this.#changed);
    const needed = this.#needed();
    const end = this.#openTables(needed);
    this.#openQuarantine(needed);
    const most = Math.min(end, needed.count);
    const digested = new Uint16Array(most);
    const sums = new Uint32Array(most * minFroms.length * 2);
    const nextPurges = new Float64Array(most);
    let digests = 0;
    const versions: SlotVersions[] = [];
    const records: SlotJobResult['records'][number][] = [];
    const asked = new SlotSet(this.#spec.digested);
    const listed = new SlotSet(this.#spec.listed);
    let looked = 0;
    let done = 0;
    for (; done < end && looked < this.#spec.maxRows && this.#recordBytes < MAX_RECORD_BYTES; done++) {
      const slot = slots[done];
      if (!needed.has(slot)) continue;
      this.#refuseCancelled();
      looked += this.#collect(slot, watermarks[done]);
      if (asked.has(slot)) {
        digested[digests] = slot;
        nextPurges[digests] = this.#rows.nextPurge(watermarks[done]);
        // Of most slots there is nothing.
        if (this.#rows.count > 0)
          for (let column = 0; column < minFroms.length; column++)
            this.#rows.fold(
              sums,
              (digests * minFroms.length + column) * 2,
              minFroms[column],
              watermarks[done],
            );
        digests++;
      }
      if (listed.has(slot)) versions.push(this.#rows.versions());
      for (const wanted of this.#spec.records)
        if (wanted.slot === slot) records.push(this.#recordsOf(wanted));
      this.#descriptors.trim();
    }
    return {
      done,
      changed: this.#changed.bytes,
      digested: digested.slice(0, digests),
      sums: sums.slice(0, digests * minFroms.length * 2),
      nextPurges: nextPurges.slice(0, digests),
      versions,
      lost: [...this.#quarantine].map(([id, lost]) => lost?.findings() ?? unknownFindings(id)),
      deletions: this.#deletions,
      records,
    };
  }

  close(): void {
    this.#descriptors.closeAll();
  }

  readonly #refuseCancelled = (): void => {
    if (this.#cancelled()) throw new LsmError('CLOSED', 'a look at slots was cancelled');
  };

  /** The slots whose rows must be looked at. */
  #needed(): SlotSet {
    const { checked, digested, listed, records, unknown } = this.#spec;
    const needed = new SlotSet();
    const { words } = needed;
    const changedWords = this.#changed.words;
    const checkedWords = new SlotSet(checked).words;
    const digestedWords = new SlotSet(digested).words;
    const listedWords = new SlotSet(listed).words;
    const unknownWords = new SlotSet(unknown).words;
    for (let at = 0; at < words.length; at++)
      words[at] =
        checkedWords[at] | listedWords[at] | (digestedWords[at] & (unknownWords[at] | changedWords[at]));
    for (const { slot } of records) needed.add(slot);
    return needed;
  }

  /** Returns how many of the slots asked for can be treated. */
  #openTables(needed: SlotSet): number {
    const { scanned, seed, slots, tables } = this.#spec;
    const { count } = needed;
    if (count === 0) return slots.length;
    const isScan = count >= SCAN_SLOTS;
    const withoutSection: number[] = [];
    for (const [index, handle] of tables.entries()) {
      refuseUnreadable(handle);
      const { path, slots: place } = handle;
      const source = this.#memtables.length + index;
      if (place === null || !isSameSeed(place.head.seed, seed) || scanned.includes(handle.metadata.id)) {
        withoutSection.push(index);
      } else if (place.head.rows > 0) {
        const fdOf = (): number => this.#descriptors.get(handle);
        this.#sections.push({
          section: new SlotSection(this.#fs, fdOf, path, place, place.head, isScan),
          source,
        });
        this.#descriptors.trim();
      }
    }
    if (withoutSection.length === 0) return slots.length;
    const entries = withoutSection.reduce((sum, index) => sum + tables[index].metadata.entries, 0);
    const some = needed.slots().slice(0, Math.max(1, Math.floor((MAX_SCANNED_ROWS / entries) * SLOT_COUNT)));
    const set = new SlotSet();
    for (const slot of some) set.add(slot);
    this.#scan = new ScannedRows(seed, set);
    for (const index of withoutSection) {
      this.#scan.read(this.#blocksOf(index), this.#memtables.length + index, this.#refuseCancelled);
      this.#descriptors.trim();
    }
    return some.length === count ? slots.length : slots.indexOf(some[some.length - 1]) + 1;
  }

  #openQuarantine(needed: SlotSet): void {
    const isNeeded = ({ open }: QuarantinedTable): boolean =>
      open === null || open.some((byte, at) => (byte & needed.bytes[at]) !== 0);
    for (const table of this.#spec.quarantine) {
      if (!isNeeded(table)) continue;
      this.#refuseCancelled();
      const { handle } = table;
      const fdOf = (): number => this.#descriptors.getForSlotVersions(handle);
      this.#quarantine.set(
        handle.metadata.id,
        unlessDamaged(() => new LostRows(this.#fs, fdOf, table)),
      );
      this.#descriptors.trim();
    }
  }

  /** Gathers the slot's rows; returns how many were looked at. */
  #collect(slot: number, watermark: number): number {
    const rows = this.#rows;
    rows.clear();
    let looked = 0;
    for (let source = 0; source < this.#memtables.length; source++)
      looked += this.#memtables[source].collect(slot, rows, source);
    let privateRows: SlotRows | null = null;
    if (!this.#isLost(slot)) {
      for (const { section, source } of this.#sections) looked += section.collect(slot, rows, source);
    } else {
      privateRows = this.#privateRows ??= new SlotRows();
      privateRows.clear();
      const both = bothRows(privateRows, rows);
      for (const { section, source } of this.#sections) looked += section.collectAll(slot, both, source);
    }
    looked += this.#scan?.collect(slot, rows) ?? 0;
    return looked + (privateRows === null ? 0 : this.#collectLost(slot, privateRows, watermark));
  }

  /** Whether a table in quarantine may have something of the slot. */
  #isLost(slot: number): boolean {
    for (const table of this.#quarantine.values()) if (table?.has(slot) === true) return true;
    return false;
  }

  #collectLost(slot: number, privateRows: SlotRows, watermark: number): number {
    const { arePrivateGivenUp } = this.#spec;
    const purge = { watermark, isGivenUp: this.#givenUp.has(slot), arePrivateGivenUp };
    let looked = 0;
    for (const [id, table] of this.#quarantine) {
      if (table?.has(slot) !== true) continue;
      const found = unlessDamaged(() =>
        table.judge(slot, this.#rows, privateRows, this.#memtables.length, purge),
      );
      if (found === null) this.#quarantine.set(id, null);
      looked += found ?? 0;
      if (found !== null) for (const row of table.hiding) this.#remakeDeletion(row);
    }
    // Not before all are judged: what is lost outdoes nothing.
    for (const table of this.#quarantine.values()) if (table?.has(slot) === true) table.addTo(this.#rows);
    return looked;
  }

  /** Where the older record cannot be read either, nothing older shows. */
  #remakeDeletion(row: HidingRow): void {
    if (this.#deletions.length === MAX_DELETIONS) return;
    const key = unlessDamaged(() => this.#keyAt(row));
    if (key === null) return;
    const { from, timestamp, writer } = row;
    const record = encodeRecord({ timestamp, writer, tombstone: true, from, expiryMs: 0 }, NO_VALUE);
    this.#deletions.push({ key, record });
  }

  #keyAt({ high, low, place, source }: HidingRow): Uint8Array {
    if (source < this.#memtables.length) return this.#memtables[source].key(place);
    const blocks = this.#blocksOf(source - this.#memtables.length);
    const fingerprinter = this.#fingerprinter;
    for (const cursor = blocks.enter(place); cursor.valid; cursor.next()) {
      fingerprinter.take(cursor.keyBytes, 0, cursor.keyEnd);
      if (fingerprinter.low === low && fingerprinter.high === high)
        return ownBytes(cursor.keyBytes, 0, cursor.keyEnd);
    }
    throw blocks.fault('a record is not in the block in which the slot versions have it');
  }

  #recordsOf({ fingerprints, maxBytes }: WantedRecords): { key: Uint8Array; record: Uint8Array }[] {
    const found: { key: Uint8Array; record: Uint8Array }[] = [];
    let bytes = 0;
    for (let at = 0; at + 1 < fingerprints.length; at += 2) {
      const row = this.#rows.find(fingerprints[at], fingerprints[at + 1]);
      if (row < 0 || this.#rows.source(row) === LOST_SOURCE) continue;
      const entry = this.#entryOf(row, fingerprints[at], fingerprints[at + 1]);
      bytes += entry.key.length + entry.record.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
      this.#recordBytes += entry.key.length + entry.record.length;
    }
    return found;
  }

  #entryOf(row: number, high: number, low: number): { key: Uint8Array; record: Uint8Array } {
    const source = this.#rows.source(row);
    const place = this.#rows.place(row);
    if (source < this.#memtables.length) {
      const memtable = this.#memtables[source];
      return { key: memtable.key(place), record: memtable.record(place) };
    }
    const blocks = this.#blocksOf(source - this.#memtables.length);
    const fingerprinter = this.#fingerprinter;
    if (place < blocks.count) {
      for (const cursor = blocks.enter(place); cursor.valid; cursor.next()) {
        const { keyBytes, keyEnd, recordBytes, recordEnd, recordStart } = cursor;
        if (recordFrom(recordBytes, recordStart) === 0) continue;
        fingerprinter.take(keyBytes, 0, keyEnd);
        if (fingerprinter.low !== low || fingerprinter.high !== high) continue;
        if (
          !this.#rows.hasVersion(
            row,
            recordTimestamp(recordBytes, recordStart),
            recordWriter(recordBytes, recordStart),
          )
        )
          break;
        return {
          key: ownBytes(keyBytes, 0, keyEnd),
          record: ownBytes(recordBytes, recordStart, recordEnd),
        };
      }
      blocks.requireWhole();
    }
    throw blocks.fault('a record is not in the block in which the slot versions have it');
  }

  #blocksOf(index: number): TableBlocks {
    let blocks = this.#blocks.get(index);
    if (blocks === undefined) {
      const handle = this.#spec.tables[index];
      blocks = new TableBlocks(this.#fs, () => this.#descriptors.get(handle), new TableReader(handle));
      this.#blocks.set(index, blocks);
    }
    return blocks;
  }
}

/** Takes versions with `from` 0 apart from the others. */
function bothRows(privateRows: SlotRows, rows: SlotRows): RowSink {
  return {
    add: (high, low, timestamp, writer, from, flags, source, place) =>
      (from === 0 ? privateRows : rows).add(high, low, timestamp, writer, from, flags, source, place),
  };
}

/** What `work` returns; null: it has met damage. */
function unlessDamaged<Result>(work: () => Result): Result | null {
  try {
    return work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

function isSameSeed(a: HashSeed, b: HashSeed): boolean {
  return a.low === b.low && a.high === b.high;
}
