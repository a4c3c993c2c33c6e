/** A set of slots, a bit each. Pure. */
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';

const SLOT_SET_BYTES = SLOT_COUNT / 8;

export class SlotBits {
  /** Slot `s` is bit `s & 7` of byte `s >>> 3`. */
  readonly bytes = new Uint8Array(SLOT_SET_BYTES);
  #count = 0;

  /** @param bytes as another set has them */
  static of(bytes: Uint8Array): SlotBits {
    const set = new SlotBits();
    set.bytes.set(bytes);
    for (const byte of bytes) for (let rest = byte; rest !== 0; rest &= rest - 1) set.#count++;
    return set;
  }

  get count(): number {
    return this.#count;
  }

  has(slot: number): boolean {
    return (this.bytes[slot >>> 3] & (1 << (slot & 7))) !== 0;
  }

  /** Returns whether it was not in the set. */
  add(slot: number): boolean {
    if (this.has(slot)) return false;
    this.bytes[slot >>> 3] |= 1 << (slot & 7);
    this.#count++;
    return true;
  }

  clear(): void {
    this.bytes.fill(0);
    this.#count = 0;
  }
}
