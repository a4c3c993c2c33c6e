/**
 * Who is in the cluster: read from a JSON file that every node is given alike, or made up for a cluster on one
 * machine. Validated whole: the error lists every fault with its path in the file.
 *
 *   { "cluster": "shop", "placement": "spread",
 *     "nodes": [{ "id": "berlin-1", "http": "10.0.0.1:19234", "rpc": "10.0.0.1:19334", "zone": "berlin", "weight": 1 }] }
 */
import { createHash } from 'node:crypto';
import { QuorateError } from '../errors.ts';
import { PLACEMENT_POLICIES, type PlacementPolicy } from './placement.ts';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface TopologyNode {
  readonly id: string;
  readonly http: Endpoint;
  readonly rpc: Endpoint;
  readonly zone: string;
  /** Its share of the slots against the others'. */
  readonly weight: number;
}

export interface Topology {
  /** Null for a cluster on one machine, whose id is made at its first start. */
  readonly cluster: string | null;
  readonly placement: PlacementPolicy;
  /** Sorted by id: a node's index here is its number everywhere. */
  readonly nodes: readonly TopologyNode[];
}

export const DEFAULT_ZONE = 'default';
const DEFAULT_WEIGHT = 1;
const MAX_NODES = 1000;
const MAX_WEIGHT = 1_000_000;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/;
const FILE_FIELDS = ['cluster', 'placement', 'nodes'];
const NODE_FIELDS = ['id', 'http', 'rpc', 'zone', 'weight'];

/**
 * @param text the file's text
 * @param file its name, for the error
 * @throws QuorateError INVALID_TOPOLOGY with one line a fault
 */
export function parseTopology(text: string, file: string): Topology {
  const faults: string[] = [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(file, [`is not JSON: ${(error as Error).message}`]);
  }
  const topology = readTopology(parsed, faults);
  if (faults.length > 0) throw invalid(file, faults);
  return topology;
}

/** Nodes node-1 … node-N on one machine, in one zone. */
export function localTopology(local: {
  readonly nodes: number;
  readonly host: string;
  /** HTTP port of the first node; the others have the next ones. */
  readonly port: number;
  readonly rpcPorts: readonly number[];
}): Topology {
  const nodes = Array.from({ length: local.nodes }, (_, i) => ({
    id: `node-${i + 1}`,
    http: { host: local.host, port: local.port + i },
    rpc: { host: local.host, port: local.rpcPorts[i] },
    zone: DEFAULT_ZONE,
    weight: DEFAULT_WEIGHT,
  }));
  return { cluster: null, placement: 'any', nodes: sortById(nodes) };
}

/**
 * Hex SHA-256 of all that decides who holds what: ids, zones, weights and the policy. Nodes compare it before they
 * talk. Addresses are left out: the same node may be reached by different ones.
 */
export function topologyDigest(topology: Topology): string {
  const nodes = sortById(topology.nodes).map(({ id, zone, weight }) => [id, zone, weight]);
  return createHash('sha256').update(JSON.stringify([topology.placement, nodes])).digest('hex');
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Ids are ASCII: code units sort them alike everywhere. */
function sortById<Node extends { readonly id: string }>(nodes: readonly Node[]): Node[] {
  return [...nodes].sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
}

function invalid(file: string, faults: readonly string[]): QuorateError {
  const list = faults.length === 1 ? ` ${faults[0]}` : `\n${faults.map((fault) => `  ${fault}`).join('\n')}`;
  return new QuorateError('INVALID_TOPOLOGY', `${file}:${list}`);
}

function readTopology(parsed: unknown, faults: string[]): Topology {
  if (!isObject(parsed)) {
    faults.push('must be an object with the fields cluster, placement and nodes');
    return { cluster: null, placement: 'any', nodes: [] };
  }
  refuseUnknown(parsed, FILE_FIELDS, '', faults);
  const cluster = readName(parsed.cluster, 'cluster', faults);
  const placement = readPlacement(parsed.placement, faults);
  const list = Array.isArray(parsed.nodes) ? parsed.nodes : [];
  if (!Array.isArray(parsed.nodes) || list.length < 1 || list.length > MAX_NODES) {
    faults.push(`nodes: must be a list of 1 to ${MAX_NODES} nodes`);
  }
  const nodes = list.map((node, i) => readNode(node, `nodes[${i}]`, faults));
  refuseTwice(nodes.map(({ id }) => id), 'id', faults);
  const addresses = nodes.flatMap(({ http, rpc }) => [formatEndpoint(http), formatEndpoint(rpc)]);
  refuseTwice(addresses, 'address', faults);
  return { cluster, placement, nodes: sortById(nodes) };
}

function readPlacement(value: unknown, faults: string[]): PlacementPolicy {
  const policy = PLACEMENT_POLICIES.find((name) => name === value);
  if (value !== undefined && policy === undefined) {
    faults.push(`placement: must be one of ${PLACEMENT_POLICIES.join(', ')}, not ${JSON.stringify(value)}`);
  }
  return policy ?? 'any';
}

function readNode(value: unknown, at: string, faults: string[]): TopologyNode {
  if (!isObject(value)) {
    faults.push(`${at}: must be an object with the fields ${NODE_FIELDS.join(', ')}`);
    return { id: '', http: NOWHERE, rpc: NOWHERE, zone: DEFAULT_ZONE, weight: DEFAULT_WEIGHT };
  }
  refuseUnknown(value, NODE_FIELDS, `${at}.`, faults);
  const { weight = DEFAULT_WEIGHT } = value;
  if (typeof weight !== 'number' || !(weight > 0 && weight <= MAX_WEIGHT)) {
    faults.push(`${at}.weight: must be a number above 0, at most ${MAX_WEIGHT}, not ${JSON.stringify(weight)}`);
  }
  return {
    id: readName(value.id, `${at}.id`, faults),
    http: readEndpoint(value.http, `${at}.http`, faults),
    rpc: readEndpoint(value.rpc, `${at}.rpc`, faults),
    zone: value.zone === undefined ? DEFAULT_ZONE : readName(value.zone, `${at}.zone`, faults),
    weight: typeof weight === 'number' ? weight : DEFAULT_WEIGHT,
  };
}

const NOWHERE: Endpoint = { host: '', port: 0 };

function readName(value: unknown, at: string, faults: string[]): string {
  if (typeof value === 'string' && NAME.test(value) && value !== '.' && value !== '..') return value;
  const found = value === undefined ? 'it is missing' : `not ${JSON.stringify(value)}`;
  faults.push(`${at}: must be a name of 1 to 64 letters, digits, dots, underscores or hyphens; ${found}`);
  return '';
}

function readEndpoint(value: unknown, at: string, faults: string[]): Endpoint {
  const match = typeof value === 'string' ? ADDRESS.exec(value) : null;
  const port = Number(match?.[3]);
  if (match !== null && port >= 1 && port <= 65_535) return { host: match[1] ?? match[2], port };
  const found = value === undefined ? 'it is missing' : `not ${JSON.stringify(value)}`;
  faults.push(`${at}: must be an address like "10.0.0.1:19234" or "[::1]:19234"; ${found}`);
  return NOWHERE;
}

function refuseUnknown(object: object, known: readonly string[], at: string, faults: string[]): void {
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) faults.push(`${at}${name}: is no field; there are ${known.join(', ')}`);
  }
}

function refuseTwice(values: readonly string[], what: string, faults: string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    // What could not be read has its own fault.
    if (value === '' || value === ':0') continue;
    if (seen.has(value)) faults.push(`nodes: the ${what} ${value} is there twice`);
    seen.add(value);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
