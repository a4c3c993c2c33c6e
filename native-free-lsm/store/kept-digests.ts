import { SLOT_COUNT } from '../format/slot.ts';
import { SlotSet } from '../slots/slot-set.ts';

interface Column {
  /** Two words a slot. */
  readonly sums: Uint32Array;
  /** 1: the words are the slot's digest. */
  readonly known: Uint8Array;
}

/**
 * The digests of slots as they were found last, by the smallest `from` that counts, for as long as they are true: until
 * somebody says that a slot has changed, or its watermark passes a version that counts. Pure.
 */
export class KeptDigests {
  readonly #columns = new Map<number, Column>();
  /** The same by index: they are looked up for each slot. */
  readonly #byMinFrom: (Column | undefined)[] = [];
  /** Of each slot; there are none before there are columns, as in an engine that nobody asks for digests. */
  #nextPurges = new Float64Array(0);

  /** Whether nobody has asked for digests yet. */
  get isEmpty(): boolean {
    return this.#columns.size === 0;
  }

  /** The values of `from` for which digests are kept: of these, a slot's are best found together. */
  get minFroms(): Uint8Array {
    return Uint8Array.from(this.#columns.keys());
  }

  /** Keeps digests for these too from now on. */
  addColumns(minFroms: Uint8Array): void {
    if (this.#nextPurges.length === 0) this.#nextPurges = new Float64Array(SLOT_COUNT);
    let last = -1;
    for (let index = 0; index < minFroms.length; index++) {
      const minFrom = minFroms[index];
      if (minFrom === last) continue;
      last = minFrom;
      if (this.#byMinFrom[minFrom] !== undefined) continue;
      const column = { sums: new Uint32Array(SLOT_COUNT * 2), known: new Uint8Array(SLOT_COUNT) };
      this.#columns.set(minFrom, column);
      while (this.#byMinFrom.length <= minFrom) this.#byMinFrom.push(undefined);
      this.#byMinFrom[minFrom] = column;
    }
  }

  isKnown(slot: number, minFrom: number, watermark: number): boolean {
    return this.#byMinFrom[minFrom]?.known[slot] === 1 && watermark < this.#nextPurges[slot];
  }

  /** Copies the digest of a slot to `target[at]`; returns false when it is not known. */
  read(slot: number, minFrom: number, watermark: number, target: Uint32Array, at: number): boolean {
    const column = this.#byMinFrom[minFrom];
    if (column === undefined || column.known[slot] === 0 || watermark >= this.#nextPurges[slot]) return false;
    target[at] = column.sums[slot * 2];
    target[at + 1] = column.sums[slot * 2 + 1];
    return true;
  }

  /**
   * @param sums two words for each slot and each of `minFroms`
   * @param nextPurges of each slot the watermark from which on its digests are others
   */
  keep(slots: Uint16Array, minFroms: Uint8Array, sums: Uint32Array, nextPurges: Float64Array): void {
    if (this.isEmpty) return;
    for (const [column, minFrom] of minFroms.entries()) {
      const kept = this.#byMinFrom[minFrom];
      if (kept === undefined) continue;
      for (let index = 0; index < slots.length; index++) {
        const slot = slots[index];
        const at = (index * minFroms.length + column) * 2;
        kept.sums[slot * 2] = sums[at];
        kept.sums[slot * 2 + 1] = sums[at + 1];
        kept.known[slot] = 1;
      }
    }
    for (let index = 0; index < slots.length; index++) this.#nextPurges[slots[index]] = nextPurges[index];
  }

  /** @param changed as in SlotSet */
  forget(changed: Uint8Array): void {
    if (this.isEmpty) return;
    const slots = new SlotSet(changed).slots();
    for (const { known } of this.#columns.values())
      for (let index = 0; index < slots.length; index++) known[slots[index]] = 0;
  }

  forgetAll(): void {
    for (const { known } of this.#columns.values()) known.fill(0);
  }
}
