import { SLOT_COUNT } from '../format/slot.ts';

/** A set of slots, a bit for each. Its bytes are plain data. */
export class SlotSet {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(SLOT_COUNT / 8)) {
    this.bytes = bytes;
  }

  /** Returns whether it was not in the set. */
  add(slot: number): boolean {
    if (this.has(slot)) return false;
    this.bytes[slot >>> 3] |= 1 << (slot & 7);
    return true;
  }

  delete(slot: number): void {
    this.bytes[slot >>> 3] &= ~(1 << (slot & 7));
  }

  get count(): number {
    return this.slots().length;
  }

  get isEmpty(): boolean {
    return this.bytes.every((byte) => byte === 0);
  }

  /** Ascending. */
  slots(): Uint16Array {
    const found = new Uint16Array(SLOT_COUNT);
    let count = 0;
    for (let byte = 0; byte < this.bytes.length; byte++) {
      if (this.bytes[byte] === 0) continue;
      for (let slot = byte * 8; slot < byte * 8 + 8; slot++) if (this.has(slot)) found[count++] = slot;
    }
    return found.slice(0, count);
  }

  has(slot: number): boolean {
    return (this.bytes[slot >>> 3] & (1 << (slot & 7))) !== 0;
  }
}
