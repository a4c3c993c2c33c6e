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
    const { bytes } = this;
    let count = 0;
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) count += bitsOf(bytes[at]);
    return count;
  }

  get isEmpty(): boolean {
    const { bytes } = this;
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
    return true;
  }

  /** Ascending. */
  slots(): Uint16Array {
    const { bytes } = this;
    // Most sets are of a few slots: no memory for all of them.
    const found = new Uint16Array(this.count);
    let count = 0;
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] === 0) continue;
      for (let slot = at * 8; slot < at * 8 + 8; slot++) if (this.has(slot)) found[count++] = slot;
    }
    return found;
  }

  has(slot: number): boolean {
    return (this.bytes[slot >>> 3] & (1 << (slot & 7))) !== 0;
  }
}

function bitsOf(byte: number): number {
  let count = 0;
  for (let left = byte; left !== 0; left &= left - 1) count++;
  return count;
}
