import { ALLOCATION_HEADER_BYTES, HEAD_NODE, linkIndex, MAX_HEIGHT, Word } from './arena-layout.ts';
import { ArrivalCursor } from './arrival-cursor.ts';
import { NodeOrder } from './node-order.ts';

/**
 * Links all key nodes of an arena, whatever links they have, in the order of their keys. Nobody else may use the arena
 * meanwhile. One insert after the other would search the list for each key, which is most of what an insert costs.
 */
export function linkNodes(words: Int32Array, bytes: Uint8Array): void {
  const end = words[Word.used];
  const found = new Uint32Array(words[Word.entries]);
  let count = 0;
  const cursor = new ArrivalCursor(words, bytes);
  while (cursor.advance(end)) {
    if (!cursor.isFirst) continue;
    const { allocation, node } = cursor;
    found[count++] = node;
    // How many links a node has says where it begins. That is noted in the first of them until the node is linked.
    words[linkIndex(node, 0)] = (node - allocation - ALLOCATION_HEADER_BYTES) >>> 2;
  }
  const nodes = found.subarray(0, count);
  new NodeOrder(words, bytes, nodes).sort();
  const last = new Uint32Array(MAX_HEIGHT).fill(HEAD_NODE);
  for (let at = 0; at < count; at++) {
    const node = nodes[at];
    const height = words[linkIndex(node, 0)];
    for (let level = 0; level < height; level++) {
      words[linkIndex(last[level], level)] = node;
      last[level] = node;
    }
  }
  for (let level = 0; level < MAX_HEIGHT; level++) words[linkIndex(last[level], level)] = 0;
}
