/**
 * How many slots to look at together when the versions of their keys are read into memory: as many as fit into so many
 * bytes, as far as those before tell. How many keys a slot has is known only once they are read, and of the slots of one
 * node all have about as many. Pure.
 */

/** What is asked of the engine together is looked for together: opening its tables costs more than a slot. */
const MAX_SLOTS = 256;
const FIRST_SLOTS = 16;
/** A slot that has more than those before must not be met by many at once. */
const MAX_GROWTH = 4;
const MAX_BYTES = 8 * 1024 * 1024;
/** What a version takes in a list that is compared. */
const VERSION_BYTES = 128;

export class SlotBatch {
  #slots = FIRST_SLOTS;

  /** How many to take next; at least one. */
  get slots(): number {
    return this.#slots;
  }

  /** So many slots have had so many versions. */
  note(slots: number, versions: number): void {
    if (slots === 0) return;
    const fitting = Math.floor((MAX_BYTES * slots) / (Math.max(versions, 1) * VERSION_BYTES));
    this.#slots = Math.max(Math.min(fitting, this.#slots * MAX_GROWTH, MAX_SLOTS), 1);
  }
}
