import { httpDoor } from '../../http/door.ts';
import { type RunningNode, startNode } from '../../node/node.ts';
import type { NodeOptions } from '../../node/options.ts';

export type HttpNodeOptions = Omit<NodeOptions, 'doors'>;

/** Starts a node whose one door is HTTP, where the topology has it. */
export function startHttpNode(options: HttpNodeOptions): Promise<RunningNode> {
  const { nodeId, settings, topology } = options;
  // A node that the topology does not have is refused by startNode.
  const here = topology.nodes.filter(({ id }) => id === nodeId);
  return startNode({ ...options, doors: here.map(({ http }) => httpDoor(http, settings)) });
}
