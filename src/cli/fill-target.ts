/** Which cluster a fill is for, and which of its nodes' folders it builds: what `serve` makes of the same flags. */
import path from 'node:path';
import type { PlacementNode, PlacementPolicy } from '../cluster/placement.ts';
import {
  checkMemberDirectory,
  inspectDataDirectory,
  nodeDirectory,
  openDataDirectory,
} from './data-layout.ts';
import type { NodeFolder } from './fill-folders.ts';

export interface FillTarget {
  readonly dataDirectory: string;
  /** Of the whole cluster. */
  readonly nodes: readonly PlacementNode[];
  readonly policy: PlacementPolicy;
  /** Indexes of those whose folders are built, and the folders, in the same order. */
  readonly filled: readonly number[];
  readonly folders: readonly NodeFolder[];
  /** Makes the data folder where it is missing; returns the id of the cluster it belongs to. */
  open(): string;
}

/** All nodes of a cluster on this machine. Touches nothing. */
export async function localTarget(nodes: number, directory: string): Promise<FillTarget> {
  const dataDirectory = path.resolve(directory);
  inspectDataDirectory(dataDirectory, nodes);
  const ids = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
  return {
    dataDirectory,
    nodes: ids.map((id) => ({ id, zone: '', weight: 1 })),
    policy: 'any',
    ...foldersOf(dataDirectory, ids, undefined),
    open: () => openDataDirectory(dataDirectory, nodes).clusterId,
  };
}

function foldersOf(
  dataDirectory: string,
  ids: readonly string[],
  only: string | undefined,
): Pick<FillTarget, 'filled' | 'folders'> {
  const filled = [...ids.keys()].filter((index) => only === undefined || ids[index] === only);
  const folders = filled.map((index) => ({
    nodeId: ids[index],
    directory: nodeDirectory(dataDirectory, ids[index]),
  }));
  return { filled, folders };
}
export async function topologyTarget(
  file: string,
  nodeId: string | undefined,
  directory: string,
): Promise<FillTarget> {
  checkMemberDirectory(directory);
  throw new Error(file + nodeId);
}
