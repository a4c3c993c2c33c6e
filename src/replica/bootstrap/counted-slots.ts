import { SlotSet } from '../../../native-free-lsm/index.ts';

/** A set of slots that is asked again and again how many it has. Pure. */
export class CountedSlots extends SlotSet {
  #count = 0;

  override get count(): number {
    return this.#count;
  }

  override add(slot: number): boolean {
    const isNew = super.add(slot);
    if (isNew) this.#count++;
    return isNew;
  }

  override delete(slot: number): void {
    if (this.has(slot)) this.#count--;
    super.delete(slot);
  }

  clear(): void {
    this.bytes.fill(0);
    this.#count = 0;
  }
}
