/**
 * Which requests of one connection were taken, so that one that comes as a datagram and over the stream, or as a
 * datagram twice, is served once.
 *
 * The sender's table of requests has a slot for each id, id modulo the number of slots, and gives out no id whose slot
 * is taken (call-table.ts). With the same number of slots, or a multiple of it, a request that its sender still waits
 * for is therefore the last one in its slot here: exact, without a clock, and of a fixed size. Pure.
 */
import { CallTable, MAX_TAG } from '../../../native-free-lsm/index.ts';

/** Ids start again from 0 behind MAX_TAG. One that is less than half of them ahead is newer. */
const HALF = (MAX_TAG + 1) / 2;
const NONE = -1;

export class AdmittedIds {
  readonly #last: Int32Array;
  readonly #mask: number;

  /** @param maxInFlight the most requests that the sender has under way */
  constructor(maxInFlight: number) {
    const slots = CallTable.slotsFor(maxInFlight);
    this.#last = new Int32Array(slots).fill(NONE);
    this.#mask = slots - 1;
  }

  /**
   * A request came over the stream, where each comes once. A datagram may have overtaken it whose id has the same slot:
   * then its sender has given it up, and the later id stays remembered.
   * @returns false: it has come as a datagram before
   */
  admitStreamed(id: number): boolean {
    if (this.#last[id & this.#mask] === id) return false;
    if (this.isNew(id)) this.admit(id);
    return true;
  }

  /** @returns whether it is news: a datagram may come again, or so late that nobody waits for it any more */
  isNew(id: number): boolean {
    const last = this.#last[id & this.#mask];
    return last === NONE || (last !== id && ((id - last) & MAX_TAG) < HALF);
  }

  /** A request that was new came as a datagram, and is served. */
  admit(id: number): void {
    this.#last[id & this.#mask] = id;
  }
}
