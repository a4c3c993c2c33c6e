/** Which slots two nodes share in a round. Pure. */
import { SlotSet } from '../../../native-free-lsm/index.ts';
import type { SlotOwners } from '../slot-owners.ts';
import { GROUP_COUNT, GROUP_SLOTS } from './digest-tree.ts';
import type { RoundScope } from './messages.ts';

/** Slots in ascending order, and for each the position in its list of the owner that stands behind. */
export interface SlotShare {
  readonly slots: Uint16Array;
  readonly positions: Uint8Array;
}

/** The position that a share has for a slot; -1: the slot is not in it. */
export function positionInShare({ positions, slots }: SlotShare, slot: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (slots[middle] < slot) low = middle + 1;
    else high = middle;
  }
  return low < slots.length && slots[low] === slot ? positions[low] : -1;
}

/** How many slots are looked at without a pause: their lists may have to be made. */
const SLOTS_AT_A_TIME = 1_024;

/**
 * The slots of a round that a node owns, the leader's own ones included.
 * @param pause called again and again, so that nobody waits for all slots to be looked at
 */
export async function shareOf(
  owners: SlotOwners,
  scope: RoundScope,
  nodeId: string,
  pause: () => Promise<void>,
): Promise<SlotShare> {
  const leader = owners.nodeIds.indexOf(scope.leader);
  const node = owners.nodeIds.indexOf(nodeId);
  const skipped = owners.marked(scope.skipped);
  const most = scope.last - scope.first + 1;
  const slots = new Uint16Array(most);
  const positions = new Uint8Array(most);
  let count = 0;
  for (let slot = scope.first; slot <= scope.last; slot++) {
    if (slot % SLOTS_AT_A_TIME === 0) await pause();
    if (owners.firstPresent(slot, skipped) !== leader) continue;
    const position = owners.positionOf(slot, node);
    if (position < 0) continue;
    slots[count] = slot;
    positions[count++] = position;
  }
  return { slots: slots.slice(0, count), positions: positions.slice(0, count) };
}

/** As `filter`, without what that keeps on the way for each slot: rounds choose among all slots again and again. */
export function chosenOf(
  slots: Uint16Array,
  isChosen: (slot: number, index: number) => boolean,
): Uint16Array {
  const chosen = new Uint16Array(slots.length);
  let count = 0;
  for (let index = 0; index < slots.length; index++)
    if (isChosen(slots[index], index)) chosen[count++] = slots[index];
  return chosen.slice(0, count);
}

/** Those of the slots that are not among the others. */
export function without(slots: Uint16Array, others: Uint16Array): Uint16Array {
  if (others.length === 0) return slots;
  const found = new SlotSet();
  for (let index = 0; index < others.length; index++) found.add(others[index]);
  return chosenOf(slots, (slot) => !found.has(slot));
}

/** The slots of the share that lie in these groups. */
export function withinGroups({ slots, positions }: SlotShare, groups: Uint16Array): SlotShare {
  const isAsked = new Uint8Array(GROUP_COUNT);
  for (const group of groups) isAsked[group] = 1;
  const isWithin = (slot: number): boolean => isAsked[Math.floor(slot / GROUP_SLOTS)] === 1;
  return {
    slots: chosenOf(slots, isWithin),
    positions: positions.filter((_, index) => isWithin(slots[index])),
  };
}
