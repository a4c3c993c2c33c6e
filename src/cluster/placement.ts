/**
 * Which nodes hold a slot: for each of the 65,536 slots there is a preference list. It is made from the topology
 * alone, so every node makes the same one. A key's replicas are the first `from` nodes of its slot's list: those of a
 * smaller `from` are the first of those of a larger, whatever the policy.
 *
 * Each policy orders the same scores in its own way:
 * - `any`: by score.
 * - `spread`: each next replica is the best node of the zones used least so far.
 * - `near`: zones have scores too, in proportion to their nodes' weights. The list has all nodes of the best zone by
 *   score, then those of the next. So the replicas of a slot are in one zone as long as that has `from` nodes.
 *
 * A list names at most 32 nodes, which bounds the size of all lists (4 MiB for the largest cluster), and `from`. A list
 * is made when its slot is first asked for: to make all of them would be a tenth of a node's start.
 */
import { Candidate } from './rendezvous.ts';
import { SLOT_COUNT } from './slots.ts';

export const PLACEMENT_POLICIES = ['any', 'spread', 'near'] as const;
export type PlacementPolicy = (typeof PLACEMENT_POLICIES)[number];

/** The most nodes in a preference list, and so the most replicas of a key. */
export const MAX_REPLICAS = 32;

/** The parts of a node's description that decide where it stands in the lists. */
export interface PlacementNode {
  readonly id: string;
  readonly zone: string;
  readonly weight: number;
}

export class Placement {
  /**
   * Every slot's list, one behind the other. A node is its index in the nodes that the placement was made from. A list
   * is there once `listOffset` has been asked for it.
   */
  readonly lists: Uint16Array;
  /** The length of a list: the largest `from`. */
  readonly maxFrom: number;
  readonly #order: SlotOrder;
  /** 1 for each slot whose list has been made. */
  readonly #made = new Uint8Array(SLOT_COUNT);

  constructor(nodes: readonly PlacementNode[], policy: PlacementPolicy) {
    this.maxFrom = Math.min(nodes.length, MAX_REPLICAS);
    this.lists = new Uint16Array(SLOT_COUNT * this.maxFrom);
    this.#order = new SlotOrder(nodes, policy, this.maxFrom);
  }

  /** Where in `lists` the slot's list begins. */
  listOffset(slot: number): number {
    const offset = slot * this.maxFrom;
    if (this.#made[slot] === 0) {
      this.#order.write(slot, this.lists, offset);
      this.#made[slot] = 1;
    }
    return offset;
  }
}

/** Makes one list after the other, in memory that serves again for the next. */
class SlotOrder {
  readonly #policy: PlacementPolicy;
  readonly #candidates: readonly Candidate[];
  /** The zone that each node competes in; with `any` all compete in one. */
  readonly #zoneOf: Uint16Array;
  readonly #zones: readonly Candidate[];
  /** The best nodes of each zone for this slot, best first. */
  readonly #best: readonly TopList[];
  /** Best first: the zones (`near`), or the best node that each zone has left (`spread`). */
  readonly #round: TopList;
  readonly #length: number;

  constructor(nodes: readonly PlacementNode[], policy: PlacementPolicy, length: number) {
    const weights = new Map<string, number>();
    const zoneNames = nodes.map((node) => (policy === 'any' ? '' : node.zone));
    nodes.forEach((node, index) => {
      weights.set(zoneNames[index], (weights.get(zoneNames[index]) ?? 0) + node.weight);
    });
    const names = [...weights.keys()];
    this.#policy = policy;
    this.#candidates = candidates(nodes);
    this.#zones = candidates(names.map((name) => ({ id: name, weight: weights.get(name)! })));
    this.#zoneOf = Uint16Array.from(zoneNames, (name) => names.indexOf(name));
    this.#best = names.map(() => new TopList(length));
    this.#round = new TopList(Math.min(names.length, length));
    this.#length = length;
  }

  write(slot: number, lists: Uint16Array, offset: number): void {
    for (const best of this.#best) best.clear();
    for (let node = 0; node < this.#candidates.length; node++) {
      this.#best[this.#zoneOf[node]].add(node, this.#candidates[node].score(slot));
    }
    if (this.#policy === 'spread') this.#writeByRounds(lists, offset);
    else this.#writeByZones(slot, lists, offset);
  }

  #writeByZones(slot: number, lists: Uint16Array, offset: number): void {
    const zones = this.#round;
    zones.clear();
    for (let zone = 0; zone < this.#zones.length; zone++) zones.add(zone, this.#zones[zone].score(slot));
    let written = 0;
    for (let rank = 0; written < this.#length; rank++) {
      const best = this.#best[zones.items[rank]];
      for (let i = 0; i < best.count && written < this.#length; i++) {
        lists[offset + written++] = best.items[i];
      }
    }
  }

  /** Round r takes the r-th node of every zone that has one, so that the list takes turns among the zones. */
  #writeByRounds(lists: Uint16Array, offset: number): void {
    const round = this.#round;
    let written = 0;
    for (let rank = 0; written < this.#length; rank++) {
      round.clear();
      for (const best of this.#best) {
        if (rank < best.count) round.add(best.items[rank], best.scores[rank]);
      }
      for (let i = 0; i < round.count && written < this.#length; i++) {
        lists[offset + written++] = round.items[i];
      }
    }
  }
}

function candidates(named: readonly { readonly id: string; readonly weight: number }[]): Candidate[] {
  const weighted = named.some((each) => each.weight !== named[0].weight);
  return named.map((each) => new Candidate(each.id, each.weight, weighted));
}

/** The items with the highest scores, highest first; of equal scores, the one added first. */
class TopList {
  readonly items: Uint16Array;
  readonly scores: Float64Array;
  count = 0;

  constructor(capacity: number) {
    this.items = new Uint16Array(capacity);
    this.scores = new Float64Array(capacity);
  }

  clear(): void {
    this.count = 0;
  }

  add(item: number, score: number): void {
    let at = this.count;
    if (at < this.items.length) this.count++;
    else if (score <= this.scores[at - 1]) return;
    else at--;
    for (; at > 0 && this.scores[at - 1] < score; at--) {
      this.scores[at] = this.scores[at - 1];
      this.items[at] = this.items[at - 1];
    }
    this.scores[at] = score;
    this.items[at] = item;
  }
}
