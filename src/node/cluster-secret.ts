import { formatAddress } from '../address.ts';
import { QuorateError } from '../errors.ts';
import { isLoopback } from '../host.ts';
import { ClusterSecret } from '../rpc/cluster-secret.ts';
import type { NodeOptions } from './options.ts';

/** @throws QuorateError INVALID_CONFIG where strangers could reach the RPC port and there is no secret to tell them by */
export function clusterSecretOf({ clusterSecret, log, nodeId, topology }: NodeOptions): ClusterSecret {
  if (clusterSecret !== undefined) return ClusterSecret.of(clusterSecret);
  const rpc = topology.nodes.find(({ id }) => id === nodeId)?.rpc;
  if (rpc !== undefined && !isLoopback(rpc.host)) {
    throw new QuorateError(
      'INVALID_CONFIG',
      `node ${nodeId} is to listen for RPC on ${formatAddress(rpc)}, where anybody could read and write its data, as the cluster has no secret: make one with \`openssl rand -hex 32 > cluster.secret && chmod 600 cluster.secret\`, give the same to every node, and name the file as "secretFile" in the topology or with --cluster-secret-file`,
    );
  }
  log.info('The cluster has no secret: any program on this machine can speak to the RPC port');
  return ClusterSecret.none;
}
