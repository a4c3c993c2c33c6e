/**
 * Keeps barriers and what is settled in the node's own records, a record for each 256 slots (`../FORMAT.md`), so that
 * no crash takes back what other owners build on. They build on the records, too, that this node holds when it gives its
 * promise. So a promise waits until all that the engine has written is on the disk, whatever the durability of writes is:
 * after a power cut, a deletion that was lost here could be purged everywhere else.
 *
 * What is settled is true of the folder with which it was settled. Each record says on which *basis* it stands: the
 * folder's incarnation, when somebody last vouched for it, and the cluster's topology. On another basis, or when the
 * folder is not whole, nothing counts as settled. Barriers count always: to refuse a write is never wrong.
 *
 * Each record is read by itself, so damage of the disk costs no more than what lies in its place (DESIGN.md, *What a
 * damaged disk has lost*). Nothing of such a group counts as settled, and it is barred anew.
 */
import { createHash } from 'node:crypto';
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';
import { QuorateError } from '../../errors.ts';
import { OwnPart, type OwnRecords } from '../own-records.ts';
import type { StorageEngine } from '../storage-engine.ts';
import { isUnreadable, storageError } from '../storage-fault.ts';
import { GROUP_COUNT, GROUP_SLOTS } from './digest-tree.ts';
import { decodePromises, encodePromises, type GroupPromises } from './promise-codec.ts';
import type { SlotPromises } from './slot-promises.ts';

type Records = Pick<OwnRecords, 'get' | 'put'>;
type Engine = Pick<StorageEngine, 'sync'>;

const EVERY_GROUP: readonly number[] = Array.from({ length: GROUP_COUNT }, (_, group) => group);
const UNKNOWN = 'what this node has promised of some slots is not known until its time is';

export class PromiseKeeper {
  readonly #records: Records;
  readonly #engine: Engine;
  readonly #promises: SlotPromises;
  readonly #basis: Uint8Array;
  /** What is settled, or about to be: it is true before it is durable. */
  readonly #settling = new Float64Array(SLOT_COUNT);
  /** How often everything has ceased to be settled. */
  #unsettled = 0;
  /** Groups of which nobody knows what was promised. */
  readonly #unknown = new Set<number>();

  /** @param basis what must be as it was, for what is settled to count */
  constructor(records: Records, engine: Engine, promises: SlotPromises, basis: readonly string[]) {
    this.#records = records;
    this.#engine = engine;
    this.#promises = promises;
    this.#basis = createHash('sha256').update(JSON.stringify(basis)).digest().subarray(0, 16);
  }

  /**
   * Before the node takes its first write.
   * @param isWhole whether the folder has all that it had
   * @returns how many groups cannot be read: of their slots no write is taken until `barUnknown`
   * @throws QuorateError STORAGE, DRAINING, OVERLOADED
   */
  async load(isWhole: boolean): Promise<number> {
    await Promise.all(EVERY_GROUP.map((group) => this.#load(group, isWhole)));
    return this.#unknown.size;
  }

  async #load(group: number, isWhole: boolean): Promise<void> {
    const kept = await this.#read(group);
    if (kept === undefined) return;
    if (kept === null) this.#unknown.add(group);
    const isTrue = kept !== null && isWhole && this.#isOwnBasis(kept.basis);
    for (let index = 0; index < GROUP_SLOTS; index++) {
      const slot = group * GROUP_SLOTS + index;
      if (kept === null) {
        this.#promises.hold(slot);
        continue;
      }
      this.#promises.bar(slot, kept.barred[index]);
      if (!isTrue || kept.settled[index] === 0) continue;
      this.#settling[slot] = kept.settled[index];
      this.#promises.settle(slot, kept.settled[index]);
    }
  }

  /** Undefined: nothing was promised of the group; null: nobody knows any more what was. */
  async #read(group: number): Promise<GroupPromises | null | undefined> {
    try {
      const value = await this.#records.get(OwnPart.watermarks, Uint8Array.of(group));
      return value === null ? undefined : decodePromises(value);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
  }

  /** Whether there are slots of which no write is taken. */
  get hasUnknown(): boolean {
    return this.#unknown.size > 0;
  }

  /**
   * Bars what nobody knows.
   * @param latest this node can have promised nothing up to a later timestamp
   */
  async barUnknown(latest: number): Promise<void> {
    const groups = [...this.#unknown];
    this.#promises.barHeld(latest);
    this.#unknown.clear();
    await this.#save(firstSlotsOf(groups));
  }

  /** The disk has lost something: writes anew what it cannot read of what was promised. Call it when nothing is unknown. */
  async restore(): Promise<void> {
    const isLost = await Promise.all(EVERY_GROUP.map(async (group) => (await this.#read(group)) === null));
    const groups = EVERY_GROUP.filter((group) => isLost[group]);
    if (groups.length > 0) await this.#save(firstSlotsOf(groups));
  }

  /** Bars the slots at once, and resolves when that is durable, and so is all that this node holds of them. */
  async bar(slots: Uint16Array, timestamp: number): Promise<void> {
    for (let index = 0; index < slots.length; index++) this.#promises.bar(slots[index], timestamp);
    await this.#save(slots);
  }

  /** Makes durable that the slots are settled; only then do they count as that. */
  async settle(slots: Uint16Array, timestamp: number): Promise<void> {
    const unsettled = this.#unsettled;
    for (let index = 0; index < slots.length; index++)
      if (timestamp > this.#settling[slots[index]]) this.#settling[slots[index]] = timestamp;
    await this.#save(slots);
    if (unsettled !== this.#unsettled) return;
    for (let index = 0; index < slots.length; index++) this.#promises.settle(slots[index], timestamp);
  }

  /** The folder has turned out not to be whole: nothing of it counts as settled, also after a restart. */
  async unsettle(): Promise<void> {
    this.#unsettled++;
    this.#settling.fill(0);
    this.#promises.unsettle();
    await this.#save(firstSlotsOf(EVERY_GROUP));
  }

  async #save(slots: Uint16Array): Promise<void> {
    const groups = new Set<number>();
    let last = -1;
    for (let index = 0; index < slots.length; index++) {
      const group = Math.floor(slots[index] / GROUP_SLOTS);
      if (group !== last) groups.add(group);
      last = group;
    }
    for (const group of groups) if (this.#unknown.has(group)) throw new QuorateError('STORAGE', UNKNOWN);
    await Promise.all(
      Array.from(groups, (group) =>
        this.#records.put(OwnPart.watermarks, Uint8Array.of(group), encodePromises(this.#groupOf(group))),
      ),
    );
    try {
      await this.#engine.sync();
    } catch (error) {
      throw storageError(error);
    }
  }

  /** To be encoded at once. */
  #groupOf(group: number): GroupPromises {
    const first = group * GROUP_SLOTS;
    return {
      basis: this.#basis,
      barred: this.#promises.barredFrom(first, GROUP_SLOTS),
      settled: this.#settling.subarray(first, first + GROUP_SLOTS),
    };
  }

  #isOwnBasis(basis: Uint8Array): boolean {
    return Buffer.compare(basis, this.#basis) === 0;
  }
}

/** A slot of each group. */
function firstSlotsOf(groups: readonly number[]): Uint16Array {
  return Uint16Array.from(groups, (group) => group * GROUP_SLOTS);
}
