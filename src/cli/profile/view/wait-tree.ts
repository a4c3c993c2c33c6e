/** What the threads waited for, by site and by how long one wait took. Pure. */
import { bucketEndMicros, type SiteWaits } from '../../../../native-free-lsm/index.ts';
import type { NodeFiles } from '../profile-folder.ts';
import { type Frame, FrameKind, groupFrame } from './frame.ts';
import { FrameTree } from './frame-tree.ts';
import { bucketName } from './wait-length.ts';

/** Milliseconds, without the waits of threads that have nothing to do; the first levels are nodes and threads. */
export function waitTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  return treeOf(nodes, addByLength);
}

/** The same with one frame a site, which is what two profiles are compared by. */
export function waitSiteTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  return treeOf(nodes, (tree, place, { path, totalMs }) =>
    tree.add([...place, waitFrame(path.join(' › '))], totalMs),
  );
}

function treeOf(
  nodes: readonly NodeFiles[],
  add: (tree: FrameTree, place: readonly Frame[], wait: SiteWaits) => void,
): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { name, waits } of threads) {
      for (const wait of waits ?? []) {
        if (!wait.isIdle) add(tree, [groupFrame(node), groupFrame(name)], wait);
      }
    }
  }
  return tree;
}

function waitFrame(name: string): Frame {
  return { name, steadyName: name, kind: FrameKind.wait };
}

/** Only the sum of all waits of a site is known: the waits of a bucket get a part of it by their number and length. */
function addByLength(tree: FrameTree, place: readonly Frame[], { buckets, path, totalMs }: SiteWaits): void {
  const site = [...place, ...path.map(waitFrame)];
  const weights = buckets.map((count, bucket) => count * bucketEndMicros(bucket));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [bucket, weight] of weights.entries()) {
    if (weight > 0) tree.add([...site, waitFrame(bucketName(bucket))], (totalMs * weight) / sum);
  }
}
