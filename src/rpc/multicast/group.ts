/** Where a node sends its datagrams to: a group of its own, so that no node hears itself. */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { isAnyAddress, isLoopback } from '../../host.ts';
import type { MulticastGroup } from './datagram-transport.ts';

/** Below the ports that systems give to clients, above those of well-known services. */
const FIRST_PORT = 20_000;
const PORTS = 12_000;

/**
 * Every node finds the groups of all from the topology. The host is left out, because a node may have to write its own
 * differently (0.0.0.0) than its peers do. The port is in it, so that two clusters on a machine do not share groups;
 * where they do all the same, each drops what the other sends. The addresses are those of RFC 2365 for the site:
 * 239.255.0.0/16.
 */
export function groupOf(clusterId: string, nodeId: string, rpcPort: number): MulticastGroup {
  const digest = createHash('sha256')
    .update(JSON.stringify([clusterId, nodeId, rpcPort]))
    .digest();
  return {
    address: `239.255.${digest[0]}.${digest[1]}`,
    port: FIRST_PORT + (digest.readUInt32BE(2) % PORTS),
  };
}

/** The IPv4 address of the interface of a node whose RPC is at `host`; undefined: the system has to choose. */
export function interfaceOf(host: string): string | undefined {
  if (isAnyAddress(host)) return undefined;
  if (isIPv4(host)) return host;
  return isLoopback(host) ? '127.0.0.1' : undefined;
}
