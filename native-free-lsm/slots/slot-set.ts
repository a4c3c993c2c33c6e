import { SLOT_COUNT } from '../format/slot.ts';

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
const WORD_SLOTS = WORD_BYTES * 8;

/** A set of slots, a bit for each. Its bytes are plain data. */
export class SlotSet {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(SLOT_COUNT / 8)) {
    this.bytes = bytes;
  }

  /** All slots there are. */
  static every(): SlotSet {
    return new SlotSet(new Uint8Array(SLOT_COUNT / 8).fill(0xff));
  }

  /** Returns whether it was not in the set. */
  add(slot: number): boolean {
    if (this.has(slot)) return false;
    this.bytes[slot >>> 3] |= 1 << (slot & 7);
    return true;
  }

  /** Takes a slot out, if it is in the set. */
  delete(slot: number): void {
    this.bytes[slot >>> 3] &= ~(1 << (slot & 7));
  }

  /** Its bytes, four at a time: the same memory where it is aligned, else a copy. In which order is the machine's. */
  get words(): Uint32Array {
    const { bytes } = this;
    const { buffer, byteOffset } = bytes.byteOffset % WORD_BYTES === 0 ? bytes : bytes.slice();
    return new Uint32Array(buffer, byteOffset, bytes.length / WORD_BYTES);
  }

  get count(): number {
    const { words } = this;
    let count = 0;
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) count += bitsOf(words[at]);
    return count;
  }

  get isEmpty(): boolean {
    const { words } = this;
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
    return true;
  }

  /** Ascending. */
  slots(): Uint16Array {
    const { words } = this;
    // Most sets are of a few slots: no memory for all of them.
    const found = new Uint16Array(this.count);
    let count = 0;
    for (let at = 0; at < words.length; at++) {
      if (words[at] === 0) continue;
      for (let slot = at * WORD_SLOTS; slot < (at + 1) * WORD_SLOTS; slot++)
        if (this.has(slot)) found[count++] = slot;
    }
    return found;
  }

  /** Whether the slot is in the set. */
  has(slot: number): boolean {
    return (this.bytes[slot >>> 3] & (1 << (slot & 7))) !== 0;
  }
}

function bitsOf(word: number): number {
  let count = 0;
  for (let left = word; left !== 0; left &= left - 1) count++;
  return count;
}
