import { ClusterView } from '../../src/cluster/cluster-view.ts';

/** Nodes in one zone, each reached at a host of its own name. */
export function viewOf(nodeIds: readonly string[], epoch = 1): ClusterView {
  const nodes = nodeIds.map((id) => {
    const address = { host: id, port: 7_000 };
    return { id, http: address, rpc: address, zone: 'zone', weight: 1 };
  });
  return new ClusterView({ cluster: 'cluster-1', placement: 'any', nodes }, epoch);
}
