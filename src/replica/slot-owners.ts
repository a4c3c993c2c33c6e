/** Who owns which slot in one view of the cluster: the same on every node. Pure. */

/** Every slot's preference list, one behind the other, each `maxFrom` long. A node is its index. */
interface PreferenceLists {
  /** A list is there once `listOffset` has been asked for it. */
  readonly lists: Uint16Array;
  readonly maxFrom: number;
  /** Where the slot's list begins. */
  listOffset(slot: number): number;
}

/** A node is its index in `nodeIds`. It never changes: a later view has another object. */
export class SlotOwners {
  readonly nodeIds: readonly string[];
  /** How many owners each slot has. */
  readonly count: number;
  readonly #placement: PreferenceLists;

  constructor(nodeIds: readonly string[], placement: PreferenceLists) {
    this.nodeIds = nodeIds;
    this.count = placement.maxFrom;
    this.#placement = placement;
  }

  /** The slot's preference list. */
  listOf(slot: number): Uint16Array {
    const offset = this.#placement.listOffset(slot);
    return this.#placement.lists.subarray(offset, offset + this.count);
  }

  /** The slot's preference list by ids. */
  idsOf(slot: number): string[] {
    return Array.from(this.listOf(slot), (node) => this.nodeIds[node]);
  }

  isOwner(slot: number, nodeId: string): boolean {
    return this.positionOf(slot, this.nodeIds.indexOf(nodeId)) >= 0;
  }

  /** The node's position in the slot's list; -1: it is no owner. */
  positionOf(slot: number, node: number): number {
    const { lists } = this.#placement;
    const offset = this.#placement.listOffset(slot);
    for (let position = 0; position < this.count; position++)
      if (lists[offset + position] === node) return position;
    return -1;
  }

  /** The first owner that is not away; -1: all are. @param isAway for each node 1 when it is */
  firstPresent(slot: number, isAway: Uint8Array): number {
    const { lists } = this.#placement;
    const offset = this.#placement.listOffset(slot);
    for (let position = 0; position < this.count; position++) {
      const node = lists[offset + position];
      if (isAway[node] === 0) return node;
    }
    return -1;
  }

  /** Whether one of its owners is marked. @param marks as `marked` gives them */
  hasOwnerOf(slot: number, marks: Uint8Array): boolean {
    const { lists } = this.#placement;
    const offset = this.#placement.listOffset(slot);
    for (let position = 0; position < this.count; position++)
      if (marks[lists[offset + position]] === 1) return true;
    return false;
  }

  /** For each node 1 when it is one of these; ids of other nodes say nothing. */
  marked(nodeIds: Iterable<string>): Uint8Array {
    const marks = new Uint8Array(this.nodeIds.length);
    for (const id of nodeIds) {
      const node = this.nodeIds.indexOf(id);
      if (node >= 0) marks[node] = 1;
    }
    return marks;
  }
}
