/**
 * Who holds which slot, as a round needs to know it, and which slots two nodes share in a round. Pure.
 */
import type { RoundScope } from './messages.ts';

/** A node is its index in `nodeIds`. It never changes: a later topology has another object. */
export interface SlotLists {
  readonly nodeIds: readonly string[];
  /** Every slot's preference list, one behind the other, each `maxFrom` long; see `listOffset`. */
  readonly lists: Uint16Array;
  readonly maxFrom: number;
  /** Where the slot's list begins. */
  listOffset(slot: number): number;
}

/** Slots in ascending order, and for each the position in its list of the owner that stands behind. */
export interface SlotShare {
  readonly slots: Uint16Array;
  readonly positions: Uint8Array;
}

/** How many slots are looked at without a pause: their lists may have to be made. */
const SLOTS_AT_A_TIME = 1_024;

/** The node's position in the slot's list; -1: it is no owner. */
export function positionOf(owners: SlotLists, slot: number, node: number): number {
  const offset = owners.listOffset(slot);
  for (let position = 0; position < owners.maxFrom; position++)
    if (owners.lists[offset + position] === node) return position;
  return -1;
}

/**
 * The slots of a round that a node owns, the leader's own ones included.
 * @param pause called again and again, so that nobody waits for all slots to be looked at
 */
export async function shareOf(
  owners: SlotLists,
  scope: RoundScope,
  nodeId: string,
  pause: () => Promise<void>,
): Promise<SlotShare> {
  const leader = owners.nodeIds.indexOf(scope.leader);
  const node = owners.nodeIds.indexOf(nodeId);
  const skipped = new Uint8Array(owners.nodeIds.length);
  for (const id of scope.skipped) {
    const index = owners.nodeIds.indexOf(id);
    if (index >= 0) skipped[index] = 1;
  }
  const most = scope.last - scope.first + 1;
  const slots = new Uint16Array(most);
  const positions = new Uint8Array(most);
  let count = 0;
  for (let slot = scope.first; slot <= scope.last; slot++) {
    if (slot % SLOTS_AT_A_TIME === 0) await pause();
    if (leaderOf(owners, slot, skipped) !== leader) continue;
    const position = positionOf(owners, slot, node);
    if (position < 0) continue;
    slots[count] = slot;
    positions[count++] = position;
  }
  return { slots: slots.slice(0, count), positions: positions.slice(0, count) };
}

/** The first owner that is not away; -1: all are. */
function leaderOf(owners: SlotLists, slot: number, skipped: Uint8Array): number {
  const offset = owners.listOffset(slot);
  for (let position = 0; position < owners.maxFrom; position++) {
    const node = owners.lists[offset + position];
    if (skipped[node] === 0) return node;
  }
  return -1;
}
