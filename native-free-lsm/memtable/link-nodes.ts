import { ALLOCATION_HEADER_BYTES, linkIndex, Word } from './arena-layout.ts';
import { ArrivalCursor } from './arrival-cursor.ts';
import { compareNodes } from './compare-nodes.ts';
import type { InsertPosition } from './insert-position.ts';
import { NodeOrder } from './node-order.ts';

/**
 * Links the key nodes that were allocated from an offset on, none of which is in the list, in the order of their keys.
 * One insert after the other would search the list for each key, which is most of what an insert costs: its nodes lie
 * anywhere in the arena, and are in no cache of the processor. In order each search begins where the last one ended.
 * @param most how many there may be
 */
export function linkNodes(
  words: Int32Array,
  bytes: Uint8Array,
  from: number,
  most: number,
  position: InsertPosition,
): void {
  const end = words[Word.used];
  const found = new Uint32Array(most);
  let count = 0;
  let isInOrder = true;
  const cursor = new ArrivalCursor(words, bytes);
  cursor.moveTo(from);
  while (cursor.advance(end)) {
    if (!cursor.isFirst) continue;
    const { allocation, node } = cursor;
    // How many links a node has says where it begins. That is noted in the first of them until the node is linked.
    words[linkIndex(node, 0)] = (node - allocation - ALLOCATION_HEADER_BYTES) >>> 2;
    if (isInOrder && count > 0) isInOrder = compareNodes(words, bytes, found[count - 1], node, 0) < 0;
    found[count++] = node;
  }
  const nodes = found.subarray(0, count);
  if (!isInOrder) new NodeOrder(words, bytes, nodes).sort();
  for (let at = 0; at < count; at++) position.linkInOrder(nodes[at], words[linkIndex(nodes[at], 0)]);
}
