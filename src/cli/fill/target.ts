/**
 * The cluster that a fill is for, and the node folders that it builds. They are those that `serve` makes of the same
 * flags.
 */
import path from 'node:path';
import type { PlacementNode, PlacementPolicy } from '../../cluster/placement.ts';
import { localTopology, readTopology, type Topology } from '../../cluster/topology.ts';
import { QuorateError } from '../../errors.ts';
import {
  checkMemberDirectory,
  inspectDataDirectory,
  nodeDirectory,
  openDataDirectory,
} from '../data/layout.ts';
import type { NodeFolder } from './folders.ts';

export interface FillTarget {
  readonly dataDirectory: string;
  /** The nodes of the whole cluster. */
  readonly nodes: readonly PlacementNode[];
  readonly policy: PlacementPolicy;
  /** How many replicas a key has by the topology; undefined: one on each node. */
  readonly from: number | undefined;
  /** The indexes of the nodes whose folders are built, and these folders in the same order. */
  readonly filled: readonly number[];
  readonly folders: readonly NodeFolder[];
  /**
   * Makes the data folder where it is missing.
   * @returns the id of the cluster that it belongs to
   */
  open(): string;
}

/**
 * All nodes of a cluster on this machine. Changes nothing.
 * @throws QuorateError FOREIGN_DIRECTORY, STORAGE
 */
export function localTarget(nodes: number, directory: string): FillTarget {
  const dataDirectory = path.resolve(directory);
  inspectDataDirectory(dataDirectory, nodes);
  // The addresses are made up: placement does not depend on them.
  const rpcPorts = Array.from({ length: nodes }, (_, index) => 1 + nodes + index);
  const topology = localTopology({ nodes, host: '127.0.0.1', port: 1, rpcPorts });
  return targetOf(
    topology,
    dataDirectory,
    topology.nodes,
    () => openDataDirectory(dataDirectory, nodes).clusterId,
  );
}

/**
 * One node of a real cluster, or all of its nodes side by side. Changes nothing.
 * @param nodeId undefined: all
 * @throws QuorateError INVALID_TOPOLOGY, STORAGE
 */
export function topologyTarget(file: string, nodeId: string | undefined, directory: string): FillTarget {
  const topology = readTopology(file);
  const filled = topology.nodes.filter(({ id }) => nodeId === undefined || id === nodeId);
  if (filled.length === 0) {
    const ids = topology.nodes.map(({ id }) => id).join(', ');
    throw new QuorateError(
      'INVALID_TOPOLOGY',
      `${file} lists no node ${nodeId}: name one of ${ids} with --node`,
    );
  }
  const dataDirectory = path.resolve(directory);
  for (const { id } of filled) checkMemberDirectory(nodeDirectory(dataDirectory, id));
  return targetOf(topology, dataDirectory, filled, () => topology.cluster);
}

function targetOf(
  topology: Topology,
  dataDirectory: string,
  filled: readonly PlacementNode[],
  open: () => string,
): FillTarget {
  return {
    dataDirectory,
    nodes: topology.nodes.map(({ id, zone, weight }) => ({ id, zone, weight })),
    policy: topology.placement,
    from: topology.from,
    filled: filled.map(({ id }) => topology.nodes.findIndex((node) => node.id === id)),
    folders: filled.map(({ id }) => ({ nodeId: id, directory: nodeDirectory(dataDirectory, id) })),
    open,
  };
}
