/** What the threads waited for, by site and by how long one wait took. Pure. */
import type { ProfiledWaits } from '../../../node-profile.ts';
import type { NodeFiles } from '../profile-folder.ts';
import { type Frame, FrameKind, groupFrame } from './frame.ts';
import { FrameTree } from './frame-tree.ts';

/** Milliseconds, without the waits of threads that have nothing to do; the first levels are nodes and threads. */
export function waitTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { name, waits } of threads) {
      for (const wait of waits ?? []) {
        if (!wait.isIdle) addWaits(tree, [groupFrame(node), groupFrame(name)], wait);
      }
    }
  }
  return tree;
}

/** The same with one frame a site, which is what two profiles are compared by. */
export function waitSiteTreeOf(nodes: readonly NodeFiles[]): FrameTree {
  const tree = new FrameTree(groupFrame('all nodes'));
  for (const { name: node, threads } of nodes) {
    for (const { name, waits } of threads) {
      for (const { isIdle, path, totalMs } of waits ?? []) {
        if (!isIdle) tree.add([groupFrame(node), groupFrame(name), waitFrame(path.join(' › '))], totalMs);
      }
    }
  }
  return tree;
}

function waitFrame(name: string): Frame {
  return { name, steadyName: name, kind: FrameKind.wait };
}

/** Only the sum of all waits of a site is known: the waits of a bucket get a part of it by their number and length. */
function addWaits(tree: FrameTree, place: readonly Frame[], { buckets, path, totalMs }: ProfiledWaits): void {
  const site = [...place, ...path.map(waitFrame)];
  const weights = buckets.map((count, bucket) => count * 2 ** bucket);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [bucket, weight] of weights.entries()) {
    if (weight > 0) tree.add([...site, waitFrame(bucketName(bucket))], (totalMs * weight) / sum);
  }
}

function bucketName(bucket: number): string {
  const below = describeMicros(2 ** bucket);
  return bucket === 0 ? `less than ${below}` : `${describeMicros(2 ** (bucket - 1))} to ${below}`;
}

function describeMicros(micros: number): string {
  if (micros < 1000) return `${micros} µs`;
  return micros < 1_000_000 ? `${Math.round(micros / 1000)} ms` : `${Math.round(micros / 1_000_000)} s`;
}
