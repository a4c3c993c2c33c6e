/** Which entries a node wants from which other: the same on every node. Pure. */
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';
import type { SlotOwners } from '../slot-owners.ts';

const UNKNOWN = 0xff;

/**
 * The slots whose owners have been asked are kept, because they are asked for again with each entry. A slot costs some
 * microseconds the first time.
 */
export class WantedEntries {
  readonly #owners: Pick<SlotOwners, 'idsOf'>;
  readonly #asker: string;
  readonly #source: string;
  readonly #sources: ReadonlySet<string>;
  /** The least `from` of an entry that is wanted; 0: none is. A list has 32 nodes at most. */
  readonly #leastFrom = new Uint8Array(SLOT_COUNT).fill(UNKNOWN);

  /**
   * @param asker the node that is being filled
   * @param source the node that sends the entries
   * @param sources all nodes that send to it: a slot is sent by the one that stands first in its list, which has every
   *   entry of the slot that any of them has
   */
  constructor(owners: Pick<SlotOwners, 'idsOf'>, asker: string, source: string, sources: readonly string[]) {
    this.#owners = owners;
    this.#asker = asker;
    this.#source = source;
    this.#sources = new Set(sources);
  }

  /** The least `from` that the records of a wanted entry in this slot have; 0: none of the slot is wanted. */
  leastFrom(slot: number): number {
    const known = this.#leastFrom[slot];
    if (known !== UNKNOWN) return known;
    const owners = this.#owners.idsOf(slot);
    const position = owners.indexOf(this.#asker);
    const isOurs = owners.find((id) => this.#sources.has(id)) === this.#source;
    const least = isOurs ? position + 1 : 0;
    this.#leastFrom[slot] = least;
    return least;
  }
}
