/**
 * The tree over the digests of the slots that two owners share: a leaf for each slot, a group for each 256 slots, and
 * the root. One compares the root, then the groups, then the leaves of groups that differ, so equal replicas are found
 * equal by 8 bytes, and one slot among all by 4 KiB.
 *
 * A leaf is the fold of the versions that are for both owners. The owner that stands behind adds its *strays*: versions
 * that it is no owner of by their `from`, as when a key was written with a smaller `from` after a larger one. The other
 * cannot know which strays there are, so a slot with strays differs, and is compared version by version. Pure.
 */
import { SLOT_COUNT } from '../../../native-free-lsm/index.ts';

export const GROUP_SLOTS = 256;
export const GROUP_COUNT = SLOT_COUNT / GROUP_SLOTS;
/** Two words. */
export const DIGEST_BYTES = 8;

/**
 * The leaves of the owner that stands behind.
 *
 * @param shared two words a slot: the fold of the versions for both owners
 * @param all the fold of all versions; it is used up
 */
export function addStrays(shared: Uint32Array, all: Uint32Array): Uint32Array {
  for (let at = 0; at < all.length; at += 2) {
    const isEqual = all[at] === shared[at] && all[at + 1] === shared[at + 1];
    // The fold of all versions is that of other ones: it is marked, so that it cannot be taken for a fold of those.
    if (!isEqual) all[at] ^= 0x5bd1_e995;
  }
  return all;
}

/** Folds leaves into their groups: two words for each of the 256, zero for one without slots. */
export function foldGroups(slots: Uint16Array, leaves: Uint32Array): Uint32Array {
  const groups = new Uint32Array(2 * GROUP_COUNT);
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index];
    fold(groups, 2 * Math.floor(slot / GROUP_SLOTS), slot, leaves[2 * index], leaves[2 * index + 1]);
  }
  return groups;
}

/** Folds the groups into the root. */
export function foldRoot(groups: Uint32Array): Uint32Array {
  const root = new Uint32Array(2);
  for (let group = 0; group < groups.length / 2; group++)
    fold(root, 0, group, groups[2 * group], groups[2 * group + 1]);
  return root;
}

/** Which of the pairs of words differ. */
export function differing(a: Uint32Array, b: Uint32Array): number[] {
  const found: number[] = [];
  for (let index = 0; index < a.length / 2; index++)
    if (a[2 * index] !== b[2 * index] || a[2 * index + 1] !== b[2 * index + 1]) found.push(index);
  return found;
}

/** Chained, so that the order and the place of each child count. */
function fold(target: Uint32Array, at: number, place: number, high: number, low: number): void {
  target[at] = mix(target[at] ^ high, place);
  target[at + 1] = mix(target[at + 1] ^ low, target[at]);
}

function mix(word: number, seed: number): number {
  let mixed = word ^ Math.imul(seed + 1, 0x9e37_79b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb_352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846c_a68b);
  return mixed ^ (mixed >>> 16);
}
