import type { HashSeed } from '../format/hash.ts';
import type { LostFindings, QuarantinedTable } from '../slots/lost-rows.ts';
import { SlotSet } from '../slots/slot-set.ts';
import type { TableReader } from '../sstable/table-reader.ts';
import { LostTables } from './lost-tables.ts';

interface LostEvents {
  /** Has jobs look what is lost in these slots. Resolves when they have; rejects when that cannot be read now. */
  readonly look: (slots: SlotSet) => Promise<void>;
  /** Everything that this table in quarantine holds is in other tables, too. */
  readonly onHealed: (tableId: number) => void;
  /** All that can be healed is in memtables: once these are in tables, tables in quarantine may go. */
  readonly onFlushWanted: () => void;
}

/**
 * Sees to it that what tables in quarantine hold is looked at when somebody may have healed it: when a table goes into
 * quarantine, and in slots that were written since, or of which the owner has given up what is lost. It only decides
 * which slots; jobs look.
 */
export class LostWatch {
  readonly #tables: LostTables;
  /** Whether nobody asks about slots, so that only what is written here can heal. */
  readonly #isAlone: boolean;
  readonly #events: LostEvents;
  /** Slots of which everybody who owns them was asked for what may have been purged. */
  #givenUp = new SlotSet();
  #arePrivateGivenUp = false;
  /** Slots whose loss is to be looked at anew, as far as they are not healed. */
  #checkAgain = new SlotSet();
  #isLooking = false;
  /** What the last wish for a flush was for. */
  #flushWanted = '';
  #losses = 0;

  constructor(fingerprintSeed: HashSeed, isAlone: boolean, events: LostEvents) {
    this.#tables = new LostTables(fingerprintSeed);
    this.#isAlone = isAlone;
    this.#events = events;
  }

  /** Whether no table is in quarantine. */
  get isEmpty(): boolean {
    return this.#tables.isEmpty;
  }

  /** How often something has come to be lost since the opening. */
  get losses(): number {
    return this.#losses;
  }

  /** Versions that are lost by damage, as far as it is known. */
  get records(): number {
    return this.#tables.records;
  }

  /** Tables in quarantine of which nothing says what they hold. */
  get unknownTables(): number {
    return this.#tables.unknownTables;
  }

  /** Whether it is of use to know which slots are written. */
  get usesWritten(): boolean {
    return this.#isAlone && !this.isEmpty;
  }

  /** For a job. */
  get quarantine(): QuarantinedTable[] {
    return this.#tables.quarantine;
  }

  /** For a job: by SlotSet. */
  get givenUp(): Uint8Array {
    return this.#givenUp.bytes;
  }

  get arePrivateGivenUp(): boolean {
    return this.#arePrivateGivenUp;
  }

  /** No version of the slot with a larger timestamp is lost and not healed; 0: none is. */
  lostTo(slot: number): number {
    return this.#tables.lostTo(slot);
  }

  quarantineChanged(quarantine: readonly TableReader[]): void {
    if (this.#tables.update(quarantine.map(({ handle }) => handle))) {
      // What was given up was so for what was known to be lost.
      this.#givenUp = new SlotSet();
      this.#arePrivateGivenUp = false;
      this.#losses++;
    }
    this.#look();
  }

  /**
   * All owners of these slots were asked for what is lost there.
   * @returns those of them for which that was not known before and makes a difference
   */
  giveUpPurged(slots: Uint16Array): SlotSet {
    const { unhealed } = this.#tables;
    const given = new SlotSet();
    for (const slot of slots) if (unhealed.has(slot) && !this.#givenUp.has(slot)) given.add(slot);
    for (const slot of given.slots()) this.#givenUp.add(slot);
    return given;
  }

  /** Of the private records that are lost by now, those that are needed were written anew. */
  giveUpPrivate(): void {
    if (this.isEmpty || this.#arePrivateGivenUp) return;
    this.#arePrivateGivenUp = true;
    this.check();
  }

  /** Something may have been healed: looks at everything that is not. */
  check(): void {
    if (this.isEmpty) return;
    this.#checkLater(this.#tables.unhealed);
    this.#flushWanted = '';
    this.#look();
  }

  /** A memtable is in tables now. @param slots those that it has, and maybe others, by SlotSet */
  flushed(slots: Uint8Array): void {
    if (this.isEmpty) return;
    this.#checkLater(this.#tables.undurable);
    this.written(slots);
  }

  /** Keys of these slots, by SlotSet, were written. */
  written(slots: Uint8Array): void {
    if (this.isEmpty) return;
    if (this.#isAlone) this.#checkLater(this.#tables.unhealed, new SlotSet(slots));
    this.#look();
  }

  take(findings: readonly LostFindings[]): void {
    this.#tables.take(findings);
  }

  /** What jobs have found out may be the last that was missing. */
  lookForHealed(): void {
    if (this.isEmpty) return;
    const { healed, records, undurable, unhealed } = this.#tables;
    for (const tableId of healed) this.#events.onHealed(tableId);
    // While anything is lost that others may bring, memtables fill up by themselves.
    if (undurable.isEmpty || undurable.count < unhealed.count) return;
    const wanted = `${undurable.count} slots, ${records} records`;
    if (wanted === this.#flushWanted) return;
    this.#flushWanted = wanted;
    this.#events.onFlushWanted();
  }

  /** @param among only these of the slots */
  #checkLater(slots: SlotSet, among = slots): void {
    for (const slot of slots.slots()) if (among.has(slot)) this.#checkAgain.add(slot);
  }

  /** Has jobs look, in slots that nobody has looked at and in those that are to be looked at again. */
  #look(): void {
    if (this.#isLooking) return;
    const slots = this.#tables.unseen;
    for (const slot of this.#checkAgain.slots()) slots.add(slot);
    if (slots.isEmpty && !this.#tables.areSlotsUnknown) return;
    this.#checkAgain = new SlotSet();
    this.#isLooking = true;
    this.#events.look(slots).then(
      () => {
        this.#isLooking = false;
        this.#look();
      },
      // What cannot be read now is looked at again when something has changed.
      () => {
        this.#isLooking = false;
      },
    );
  }
}
