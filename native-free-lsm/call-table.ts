/**
 * Calls whose answer is still to come, found again by the tag that the answer brings back.
 *
 * Tags count up, and the call with tag t lies in slot t modulo the number of slots. A tag whose slot is still taken is
 * passed over: its call has waited while all tags since were given out. So finding a call costs one comparison, there
 * is no list of free slots, and a tag is given out again only after 2^30 others. An answer that comes late, or a second
 * time, therefore finds nobody, and never the call of another.
 *
 * Call objects belong to whoever makes the calls, and are used again: one stays in its slot when it is freed, `reuse`
 * gives it to be filled anew, `add` takes it under a tag. So read what you need of a call before you free it, and let
 * it keep nothing alive then. The table never looks into a call: several kinds of calls share its code, which stays
 * fast because it meets no objects of different shapes. Pure.
 */

/** Tags are small integers, which JavaScript keeps without a box, and fit a u32 of a ring or of the network. */
export const MAX_TAG = 0x3fff_ffff;
/** Stands for a tag when nobody waits for an answer. */
export const NO_CALL = 0xffff_ffff;

const MIN_SLOTS = 16;
/** Freed calls in slots beyond these, which only a burst has needed, are left to the garbage collector. */
const SLOTS_THAT_KEEP = 4_096;
const FREE = -1;
const NONE: readonly never[] = [];

/**
 * The calls that wait, by the tag that an answer brings back: tags count up from `firstTag` to MAX_TAG, and start again.
 */
export class CallTable<Call extends object> {
  /** For each slot the tag of the call in it, or FREE. */
  #tags = new Int32Array(MIN_SLOTS).fill(FREE);
  /** For each slot the call in it; in a free slot one that was freed, or nothing. */
  #calls: (Call | undefined)[] = new Array<Call | undefined>(MIN_SLOTS).fill(undefined);
  #mask = MIN_SLOTS - 1;
  #count = 0;
  /** A tag whose slot is free. */
  #nextTag: number;

  /** @param firstTag from 0 to MAX_TAG */
  constructor(firstTag = 0) {
    this.#nextTag = firstTag;
  }

  /** The most slots of a table that never holds more than `calls`: a power of two. */
  static slotsFor(calls: number): number {
    let slots = MIN_SLOTS;
    while (slots < calls * 2) slots *= 2;
    return slots;
  }

  /** The number of calls whose answer is still to come. */
  get count(): number {
    return this.#count;
  }

  /** The tag that the next `add` will return. */
  get nextTag(): number {
    return this.#nextTag;
  }

  /** A freed call, to be filled and given to the next `add`; undefined: make a new one. */
  reuse(): Call | undefined {
    return this.#calls[this.#nextTag & this.#mask];
  }

  /** Adds a call, and returns the tag that its answer must bring back. */
  add(call: Call): number {
    const tag = this.#nextTag;
    const slot = tag & this.#mask;
    this.#tags[slot] = tag;
    this.#calls[slot] = call;
    // At most half of the slots are taken, so a free one is near.
    if (++this.#count * 2 > this.#tags.length) this.#grow();
    let next = tag;
    do next = (next + 1) & MAX_TAG;
    while (this.#tags[next & this.#mask] !== FREE);
    this.#nextTag = next;
    return tag;
  }

  /** The call with this tag; undefined: nobody waits for that answer any more. */
  find(tag: number): Call | undefined {
    const slot = tag & this.#mask;
    return this.#tags[slot] === tag ? this.#calls[slot] : undefined;
  }

  /** The call with this tag is over: an answer that still comes finds nobody. */
  free(tag: number): void {
    const slot = tag & this.#mask;
    if (this.#tags[slot] !== tag) return;
    this.#tags[slot] = FREE;
    this.#count--;
    if (slot >= SLOTS_THAT_KEEP) this.#calls[slot] = undefined;
  }

  /**
   * Takes out, for good, the calls for which `isWanted` returns true, in no particular order. `isWanted` must not use
   * the table.
   */
  takeWhere(isWanted: (call: Call, argument: number) => boolean, argument: number): readonly Call[] {
    if (this.#count === 0) return NONE;
    const taken: Call[] = [];
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.#tags[slot] === FREE) continue;
      const call = this.#calls[slot] as Call;
      if (!isWanted(call, argument)) continue;
      taken.push(call);
      this.#tags[slot] = FREE;
      this.#calls[slot] = undefined;
      this.#count--;
    }
    return taken;
  }

  /** Takes out all calls, for good, in no particular order. */
  takeAll(): readonly Call[] {
    return this.takeWhere(isAny, 0);
  }

  #grow(): void {
    const slots = 2 * this.#tags.length;
    const tags = new Int32Array(slots).fill(FREE);
    const calls = new Array<Call | undefined>(slots).fill(undefined);
    for (const tag of this.#tags) {
      if (tag === FREE) continue;
      tags[tag & (slots - 1)] = tag;
      calls[tag & (slots - 1)] = this.#calls[tag & this.#mask];
    }
    this.#tags = tags;
    this.#calls = calls;
    this.#mask = slots - 1;
  }
}

function isAny(): boolean {
  return true;
}
