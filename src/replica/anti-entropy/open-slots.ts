import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';

/**
 * Which slots have something to settle: those that have changed since they were settled. A watermark that goes up over
 * nothing frees nothing, and costs each owner two durable writes. Where it is wrong, a slot is settled later or once too
 * often; what settling proves does not rest on it. Pure.
 */
export class OpenSlots {
  /** Two words for each slot, as they were when it was looked at last. */
  readonly #digests = new Uint32Array(SLOT_COUNT * 2);
  /** A timestamp that no version has that the slot had then; 0: it was not looked at yet. */
  readonly #changedBy = new Float64Array(SLOT_COUNT);

  /**
   * @param digests two words for each of the slots, of all that this node holds of it
   * @param latest a timestamp that no version can have yet, above 0
   */
  look(slots: Uint16Array, digests: Uint32Array, latest: number): void {
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index];
      const isKnown = this.#changedBy[slot] !== 0;
      const high = digests[index * 2];
      const low = digests[index * 2 + 1];
      if (isKnown && this.#digests[slot * 2] === high && this.#digests[slot * 2 + 1] === low) continue;
      this.#digests[slot * 2] = high;
      this.#digests[slot * 2 + 1] = low;
      this.#changedBy[slot] = latest;
    }
  }

  /** @param settled up to which timestamp the slot is settled */
  isOpen(slot: number, settled: number): boolean {
    const changedBy = this.#changedBy[slot];
    return changedBy === 0 || settled < changedBy;
  }
}
