import type { HashSeed } from '../format/hash.ts';
import type { LostFindings, QuarantinedTable } from '../slots/lost-rows.ts';
import { SlotSet } from '../slots/slot-set.ts';
import { namesAllRecords } from '../sstable/lost-versions.ts';
import type { TableHandle } from '../sstable/table-handle.ts';

interface SeenSlot {
  readonly rows: number;
  readonly privateRows: number;
  readonly newest: number;
}

/** What is known of one table in quarantine. */
interface LostTable {
  readonly handle: TableHandle;
  /** Its slot versions cannot be read: it may hold anything up to its largest timestamp. */
  isUnknown: boolean;
  /** Slots of which it may have what no other table has; null: nobody has looked which slots it has. */
  open: SlotSet | null;
  /** Of these, slots that nobody has looked at. */
  unseen: SlotSet;
  /**
   * Of the open slots that were looked at: how many versions are lost, how many of these are private, and the
   * largest timestamp of the others.
   */
  readonly seen: Map<number, SeenSlot>;
}

/**
 * What tables in quarantine hold that is nowhere else, as far as it is known. A version is *healed* when another table
 * has it or a newer one; a table of which everything is healed is no longer needed. What was healed once stays so,
 * because records give way to newer ones alone, or are purged, for which all replicas have them healed. Pure.
 */
export class LostTables {
  readonly #seed: HashSeed;
  readonly #tables = new Map<number, LostTable>();

  constructor(fingerprintSeed: HashSeed) {
    this.#seed = fingerprintSeed;
  }

  /** Takes what is in quarantine now; returns whether there is something that was not there before. */
  update(handles: readonly TableHandle[]): boolean {
    const ids = new Set(handles.map(({ metadata }) => metadata.id));
    for (const id of this.#tables.keys()) if (!ids.has(id)) this.#tables.delete(id);
    let isNew = false;
    for (const handle of handles) {
      if (this.#tables.has(handle.metadata.id)) continue;
      isNew = true;
      const seed = handle.slots?.head.seed;
      const isSameSeed = seed?.low === this.#seed.low && seed.high === this.#seed.high;
      this.#tables.set(handle.metadata.id, {
        handle,
        isUnknown: !isSameSeed || !namesAllRecords(handle),
        open: null,
        unseen: new SlotSet(),
        seen: new Map(),
      });
    }
    return isNew;
  }

  /** Whether no table is in quarantine. */
  get isEmpty(): boolean {
    return this.#tables.size === 0;
  }

  /** For a job. */
  get quarantine(): QuarantinedTable[] {
    return this.#known.map(({ handle, open }) => ({ handle, open: open?.bytes ?? null }));
  }

  take(findings: readonly LostFindings[]): void {
    for (const { durable, has, isUnknown, newest, privateRows, rows, slots, tableId } of findings) {
      const table = this.#tables.get(tableId);
      if (table === undefined) continue;
      table.isUnknown ||= isUnknown;
      if (has !== null) {
        table.open = new SlotSet(has);
        table.unseen = new SlotSet(has.slice());
      }
      for (const [index, slot] of slots.entries()) {
        table.unseen.delete(slot);
        if (rows[index] > 0 || durable[index] === 0)
          table.seen.set(slot, {
            rows: rows[index],
            privateRows: privateRows[index],
            newest: newest[index],
          });
        else {
          table.seen.delete(slot);
          table.open?.delete(slot);
        }
      }
    }
  }

  /** Whether nobody has looked which slots some table has. */
  get areSlotsUnknown(): boolean {
    return this.#known.some(({ open }) => open === null);
  }

  /** Slots that nobody has looked at. */
  get unseen(): SlotSet {
    return union(this.#known.map(({ unseen }) => unseen));
  }

  /** Slots that were not healed when somebody looked, or are so by memtables alone. */
  get unhealed(): SlotSet {
    return this.#seenSlots(() => true);
  }

  /** Of these, slots that may be healed once memtables are in tables: private versions are looked for in tables alone. */
  get undurable(): SlotSet {
    return this.#seenSlots(({ privateRows, rows }) => privateRows === rows);
  }

  /** The tables of which everything is healed. */
  get healed(): number[] {
    return this.#known
      .filter(({ open, seen, unseen }) => open !== null && unseen.isEmpty && seen.size === 0)
      .map(({ handle }) => handle.metadata.id);
  }

  /** Versions that are lost, as far as it is known. */
  get records(): number {
    let records = 0;
    for (const { seen } of this.#known) for (const { rows } of seen.values()) records += rows;
    return records;
  }

  /** Tables of which it is not known what they hold. */
  get unknownTables(): number {
    return this.#tables.size - this.#known.length;
  }

  /** No version of the slot with a larger timestamp is lost; 0: none is. */
  lostTo(slot: number): number {
    // It is asked for each slot of a round, and nothing is lost nearly always.
    if (this.#tables.size === 0) return 0;
    let newest = 0;
    for (const { handle, isUnknown, open, seen, unseen } of this.#tables.values()) {
      const isSeen = !isUnknown && open !== null && !unseen.has(slot);
      newest = Math.max(newest, isSeen ? (seen.get(slot)?.newest ?? 0) : handle.metadata.largestTimestamp);
    }
    return newest;
  }

  get #known(): LostTable[] {
    return [...this.#tables.values()].filter(({ isUnknown }) => !isUnknown);
  }

  #seenSlots(isMeant: (found: SeenSlot) => boolean): SlotSet {
    const slots = new SlotSet();
    for (const { seen } of this.#known) for (const [slot, found] of seen) if (isMeant(found)) slots.add(slot);
    return slots;
  }
}

function union(sets: readonly SlotSet[]): SlotSet {
  const all = new SlotSet();
  for (const { bytes } of sets) for (let at = 0; at < bytes.length; at++) all.bytes[at] |= bytes[at];
  return all;
}
