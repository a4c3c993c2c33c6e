import { compareVersions, RecordFlag } from '../format/record.ts';
import { SLOT_COUNT } from '../format/slot.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { SlotSection } from '../sstable/slot-section.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { LOST_SOURCE, SlotRows } from './slot-rows.ts';
import { SlotSet } from './slot-set.ts';

/** A table in quarantine whose slot versions say what it holds, as a job sees it. Plain data. */
export interface QuarantinedTable {
  readonly handle: TableHandle;
  /** Slots in which it may have what no other table has, by SlotSet; null: nobody has looked which slots it has. */
  readonly open: Uint8Array | null;
}

/** What a job has found out of a table in quarantine. Plain data. */
export interface LostFindings {
  readonly tableId: number;
  /** The slots that it has, by SlotSet, if that was not known before. */
  readonly has: Uint8Array | null;
  /** Its slot versions cannot be read, so that nothing is known of it, and the columns are empty. */
  readonly isUnknown: boolean;
  /** The slots that the job has looked at, and for each: how many of its versions are nowhere else in as new a one... */
  readonly slots: Uint16Array;
  readonly rows: Uint32Array;
  /** ...how many of these are private: no other engine has them... */
  readonly privateRows: Uint32Array;
  /** ...the largest timestamp of the others... */
  readonly newest: Float64Array;
  /** ...and 1 when what outdoes the table's other versions is in tables, 0 when some of it is in memtables alone. */
  readonly durable: Uint8Array;
}

/** A deletion that is lost, and where an older record of its key lies, which it has to go on hiding. */
export interface HidingRow {
  readonly high: number;
  readonly low: number;
  readonly timestamp: number;
  readonly writer: number;
  readonly from: number;
  /** Of the older record, as SlotRows has them. */
  readonly source: number;
  readonly place: number;
}

/** What decides whether a version may have been purged. */
interface PurgeState {
  /** Of the slot. */
  readonly watermark: number;
  /** All owners of the slot have been asked for what is lost up to the watermark: none has it. */
  readonly isGivenUp: boolean;
  /** Nobody waits for private versions. */
  readonly arePrivateGivenUp: boolean;
}

/** No version of a timestamp is newer than that of this writer. */
const LAST_WRITER = 0xffff_ffff;

/** How a version in quarantine stands to what memtables and levels hold. */
const Standing = { lost: 0, undurable: 1, outdone: 2 } as const;
type Standing = (typeof Standing)[keyof typeof Standing];

/**
 * Compares the versions of one table in quarantine with those of memtables and levels, slot by slot in ascending order.
 * A version that these have, or a newer one, is *outdone*; one that is not is *lost*, unless it may have been purged.
 */
export class LostRows {
  readonly #handle: TableHandle;
  readonly #open: SlotSet;
  readonly #section: SlotSection;
  readonly #has: Uint8Array | null;
  readonly #own = new SlotRows();
  readonly #lost: number[] = [];
  readonly #hiding: HidingRow[] = [];
  readonly #slots: number[] = [];
  readonly #rows: number[] = [];
  readonly #privateRows: number[] = [];
  readonly #newest: number[] = [];
  readonly #durable: number[] = [];

  /** @throws LsmError CORRUPTION, IO_ERROR: its slot versions cannot be read */
  constructor(fs: FileSystem, fdOf: () => number, { handle, open }: QuarantinedTable) {
    const { path, slots } = handle;
    if (slots === null) throw new Error(`${path} has no slot versions`);
    const section = (): SlotSection => new SlotSection(fs, fdOf, path, slots, slots.head, true);
    this.#handle = handle;
    this.#has = open === null ? slotsOf(section()) : null;
    this.#open = new SlotSet(open ?? (this.#has as Uint8Array));
    this.#section = section();
  }

  has(slot: number): boolean {
    return this.#open.has(slot);
  }

  /**
   * Judges the table's versions of a slot. Call it for all tables before `addTo` for any.
   * @param rows the versions for other engines that memtables and levels have, with the sources of the former below
   *   `memtables`
   * @param privateRows those with `from` 0, of the levels alone
   * @returns how many there were
   * @throws LsmError CORRUPTION, IO_ERROR
   */
  judge(slot: number, rows: SlotRows, privateRows: SlotRows, memtables: number, purge: PurgeState): number {
    const own = this.#own;
    own.clear();
    this.#lost.length = 0;
    this.#hiding.length = 0;
    this.#section.collectAll(slot, own, 0);
    let isDurable = 1;
    let newest = 0;
    let privateCount = 0;
    for (let row = 0; row < own.count; row++) {
      const others = own.from(row) === 0 ? privateRows : rows;
      const standing = this.#standingOf(row, others, memtables, purge);
      if (standing === Standing.undurable) isDurable = 0;
      if (standing !== Standing.lost) continue;
      this.#lost.push(row);
      this.#noteHiding(row, others, purge);
      if (own.from(row) === 0) privateCount++;
      else newest = Math.max(newest, own.timestamp(row));
    }
    this.#slots.push(slot);
    this.#rows.push(this.#lost.length);
    this.#privateRows.push(privateCount);
    this.#newest.push(newest);
    this.#durable.push(isDurable);
    return own.count;
  }

  /**
   * Adds what is lost of the slot that was judged last, each as the version just below its own: so whoever compares
   * engines brings what is as new, and takes none that is older for newer.
   */
  addTo(rows: SlotRows): void {
    const own = this.#own;
    for (const row of this.#lost) {
      if (own.from(row) === 0) continue;
      const writer = own.writer(row);
      const timestamp = writer > 0 ? own.timestamp(row) : own.timestamp(row) - 1;
      const below = writer > 0 ? writer - 1 : 0xffff_ffff;
      rows.add(own.high(row), own.low(row), timestamp, below, own.from(row), own.flags(row), LOST_SOURCE, 0);
    }
  }

  /** Of the slot that was judged last. */
  get hiding(): readonly HidingRow[] {
    return this.#hiding;
  }

  findings(): LostFindings {
    return {
      tableId: this.#handle.metadata.id,
      has: this.#has,
      isUnknown: false,
      slots: Uint16Array.from(this.#slots),
      rows: Uint32Array.from(this.#rows),
      privateRows: Uint32Array.from(this.#privateRows),
      newest: Float64Array.from(this.#newest),
      durable: Uint8Array.from(this.#durable),
    };
  }

  #standingOf(row: number, others: SlotRows, memtables: number, purge: PurgeState): Standing {
    const own = this.#own;
    const [timestamp, flags] = [own.timestamp(row), own.flags(row)];
    const met = others.find(own.high(row), own.low(row));
    if (
      met >= 0 &&
      compareVersions(others.timestamp(met), others.writer(met), timestamp, own.writer(row)) >= 0
    )
      return others.source(met) < memtables ? Standing.undurable : Standing.outdone;
    const isTombstone = (flags & RecordFlag.tombstone) !== 0;
    // A private deletion needs no proof where it hides nothing.
    if (own.from(row) === 0)
      return purge.arePrivateGivenUp || (isTombstone && met < 0) ? Standing.outdone : Standing.lost;
    if (timestamp > purge.watermark) return Standing.lost;
    // What it hides here would come back.
    if (met >= 0) return Standing.lost;
    // It is proved of a tombstone that nothing older is read anywhere. A value may be somewhere still; where all have been
    // asked, and none has what all had when it was settled, it was deleted or has expired, and that was purged.
    return isTombstone || purge.isGivenUp ? Standing.outdone : Standing.lost;
  }

  /** A deletion has no value: all of it is known but the key, which the older record has. */
  #noteHiding(row: number, others: SlotRows, { isGivenUp, watermark }: PurgeState): void {
    const own = this.#own;
    const met = others.find(own.high(row), own.low(row));
    if (met < 0) return;
    const isTombstone = (own.flags(row) & RecordFlag.tombstone) !== 0;
    const isGone = isGivenUp && own.from(row) > 0 && own.timestamp(row) <= watermark;
    if (!isTombstone && !isGone) return;
    this.#hiding.push({
      high: own.high(row),
      low: own.low(row),
      timestamp: own.timestamp(row),
      // What was deleted after it is newer than it alone.
      writer: isTombstone ? own.writer(row) : LAST_WRITER,
      from: own.from(row),
      source: others.source(met),
      place: others.place(met),
    });
  }
}

/** Of a table whose slot versions cannot be read. */
export function unknownFindings(tableId: number): LostFindings {
  return {
    tableId,
    has: null,
    isUnknown: true,
    slots: new Uint16Array(0),
    rows: new Uint32Array(0),
    privateRows: new Uint32Array(0),
    newest: new Float64Array(0),
    durable: new Uint8Array(0),
  };
}

function slotsOf(section: SlotSection): Uint8Array {
  const has = new SlotSet();
  const sink = { add: () => undefined };
  for (let slot = 0; slot < SLOT_COUNT; slot++) if (section.collectAll(slot, sink, 0) > 0) has.add(slot);
  return has.bytes;
}
