/**
 * The nodes of a cluster, their addresses, and how replicas are placed on them. Nodes are sorted by id, so the order in
 * a file means nothing. A running node uses a topology as a view: cluster-view.ts.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorMessage, QuorateError } from '../errors.ts';
import { jsonFault } from '../json-fault.ts';
import { checkTopology, type Topology } from './topology-schema.ts';

export type { Topology, TopologyNode } from './topology-schema.ts';

/** Part of the digest: it rises when the rules change who holds what, although no field has changed. */
const PLACEMENT_VERSION = 1;

/**
 * A relative path in the file starts at the folder of the file.
 * @throws QuorateError INVALID_TOPOLOGY with one line for each fault in the file
 */
export function readTopology(path: string): Topology {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new QuorateError(
      'INVALID_TOPOLOGY',
      `the topology file cannot be read: ${errorMessage(error)}`,
      error,
    );
  }
  const topology = parseTopology(text, path);
  const { secretFile } = topology;
  return secretFile === undefined
    ? topology
    : { ...topology, secretFile: resolve(dirname(path), secretFile) };
}

/** @param source the name under which faults are reported, such as the file's path */
export function parseTopology(given: string, source: string): Topology {
  // Editors on Windows begin a file with a byte order mark, which is not part of JSON.
  const text = given.replace(/^\ufeff/, '');
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new QuorateError('INVALID_TOPOLOGY', `${source} is not JSON: ${jsonFault(text, error)}`, error);
  }
  return validTopology(document, source);
}

interface LocalTopologyOptions {
  readonly nodes: number;
  readonly host: string;
  /** The HTTP port of the first node; each further node has the next port. */
  readonly port: number;
  /** One for each node. */
  readonly rpcPorts: readonly number[];
  /** How many replicas a key has whose request does not say; undefined: one on each node. */
  readonly from?: number | undefined;
}

/** A cluster on one machine: nodes `node-1` to `node-N` in one zone. */
export function localTopology(options: LocalTopologyOptions): Topology {
  const { from, host, port, rpcPorts } = options;
  const nodes = Array.from({ length: options.nodes }, (_, i) => ({
    id: `node-${i + 1}`,
    http: { host, port: port + i },
    rpc: { host, port: rpcPorts[i] },
  }));
  return validTopology({ cluster: 'local', nodes, ...(from !== undefined && { from }) }, 'the local cluster');
}

/**
 * SHA-256, in hexadecimal, of everything that decides who holds what: the cluster's name, the placement policy, the
 * default number of replicas, and the id, zone and weight of each node. Peers compare it before they work together. Addresses are left out:
 * a node may have to write its own differently (0.0.0.0) than its peers do.
 */
export function topologyDigest(topology: Topology): string {
  const owners = topology.nodes.map((node) => [node.id, node.zone, node.weight]);
  const canonical = JSON.stringify([
    PLACEMENT_VERSION,
    topology.cluster,
    topology.placement,
    topology.from ?? 0,
    owners,
  ]);
  return createHash('sha256').update(canonical).digest('hex');
}

function validTopology(document: unknown, source: string): Topology {
  const faults: string[] = [];
  const { nodes, ...others } = checkTopology(document, faults);
  if (faults.length > 0) {
    const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
    throw new QuorateError('INVALID_TOPOLOGY', `${source} has ${count}:\n  ${faults.join('\n  ')}`);
  }
  return { ...others, nodes: nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1)) };
}
