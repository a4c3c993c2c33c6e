/** Which stretches of slots are still to be gone through by rounds that this node leads, in which order. Pure. */
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';

/** So many slots are closed, compared and settled at a time. */
const STRETCH_SLOTS = 8_192;
export const STRETCH_COUNT = SLOT_COUNT / STRETCH_SLOTS;

/** Slots from `first` to `last`, both in it. */
export interface Stretch {
  readonly first: number;
  readonly last: number;
}

export class RoundSchedule {
  readonly #due: Stretch[] = [];

  get count(): number {
    return this.#due.length;
  }

  /** Adds the slots in stretches, but for those that are due already, and returns all of these. */
  add(first: number, last: number): Stretch[] {
    const added: Stretch[] = [];
    for (let start = first; start <= last; ) {
      const end = Math.min(last, start - (start % STRETCH_SLOTS) + STRETCH_SLOTS - 1);
      added.push(this.#dueWith(start, end) ?? this.#append({ first: start, last: end }));
      start = end + 1;
    }
    return added;
  }

  addAll(): Stretch[] {
    return this.add(0, SLOT_COUNT - 1);
  }

  /** Takes the next one. */
  next(): Stretch | undefined {
    return this.#due.shift();
  }

  #append(stretch: Stretch): Stretch {
    this.#due.push(stretch);
    return stretch;
  }

  #dueWith(first: number, last: number): Stretch | undefined {
    return this.#due.find((stretch) => stretch.first <= first && stretch.last >= last);
  }
}

/** Whether it is all of a stretch, and not what an operator has asked for of it. */
export function isWholeStretch({ first, last }: Stretch): boolean {
  return first % STRETCH_SLOTS === 0 && last - first === STRETCH_SLOTS - 1;
}
