/** What was allocated where, from V8's sampled allocations. Pure. */
import type { HeapNode, NodeFiles } from '../profile-folder.ts';
import { type Frame, functionFrame, groupFrame, isSampler } from './frame.ts';
import { FrameTree } from './frame-tree.ts';

/** Bytes, as V8 reckons them from its samples; the first levels are nodes and threads. */
export function heapTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { heap, name } of threads) {
      if (heap !== null) addChildren(tree, [groupFrame(node), groupFrame(name)], heap.head);
    }
  }
  return tree;
}

function addChildren(tree: FrameTree, stack: readonly Frame[], { children }: HeapNode): void {
  for (const child of children) {
    if (isSampler(child.callFrame)) continue;
    const below = [...stack, functionFrame(child.callFrame)];
    if (child.selfSize > 0) tree.add(below, child.selfSize);
    addChildren(tree, below, child);
  }
}
