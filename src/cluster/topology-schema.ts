/**
 * The schema of a topology file, as plain functions. Each takes a value of the document and its path, adds what is
 * wrong with it to `faults`, and goes on, so that one reading finds every fault.
 */
import { isIPv6 } from 'node:net';
import type { Address } from '../address.ts';
import { isFolderName, isName } from './node-id.ts';
import { MAX_REPLICAS, PLACEMENT_POLICIES, type PlacementNode, type PlacementPolicy } from './placement.ts';

export interface TopologyNode extends PlacementNode {
  readonly http: Address;
  readonly rpc: Address;
}

export interface Topology {
  /** The cluster's name: nodes and data folders of other clusters are refused. */
  readonly cluster: string;
  readonly placement: PlacementPolicy;
  readonly nodes: readonly TopologyNode[];
  /** How many replicas a key has whose request does not say; undefined: as many as it can have. */
  readonly from?: number;
  /** The file of the cluster's secret; undefined: there is none, or it is named elsewhere. */
  readonly secretFile?: string;
}

const MAX_NODES = 1000;
const HOST_NAME = /^[A-Za-z0-9._-]{1,253}$/;

/** Stands for an address in which a fault was found. */
const NOWHERE: Address = { host: '', port: 0 };

type Fields = Readonly<Record<string, unknown>>;

/** The result may be used only when no fault was noted. */
export function checkTopology(document: unknown, faults: string[]): Topology {
  const fields = checkObject(document, '', ['cluster', 'placement', 'from', 'secretFile', 'nodes'], faults);
  if (fields === null) return { cluster: '', placement: 'any', nodes: [] };
  const { cluster, placement = 'any', from, secretFile, nodes } = fields;
  return {
    cluster: checkName(cluster, 'cluster', faults),
    placement: checkChoice(placement, 'placement', PLACEMENT_POLICIES, faults),
    nodes: checkNodes(nodes, faults),
    ...(from !== undefined && { from: checkFrom(from, nodes, faults) }),
    ...(secretFile !== undefined && { secretFile: checkPath(secretFile, 'secretFile', faults) }),
  };
}

function checkFrom(value: unknown, nodes: unknown, faults: string[]): number {
  const most = Math.min(Array.isArray(nodes) ? nodes.length : 1, MAX_REPLICAS);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  faults.push(
    `from: expected a whole number from 1 to ${most}, the most replicas a key has here, ${described(value)}`,
  );
  return 1;
}

function checkNodes(value: unknown, faults: string[]): TopologyNode[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_NODES) {
    faults.push(`nodes: expected a list of 1 to ${MAX_NODES} nodes, ${described(value)}`);
    return [];
  }
  const nodes = value.map((node: unknown, i) => checkNode(node, `nodes[${i}]`, faults));
  const ids = new Map<string, string>();
  const addresses = new Map<string, string>();
  nodes.forEach((node, i) => {
    // On some systems, names of folders that differ only in upper and lower case are the same.
    refuseSecond(ids, node.id.toLowerCase(), `nodes[${i}].id`, faults);
    refuseSecond(addresses, addressKey(node.http), `nodes[${i}].http`, faults);
    refuseSecond(addresses, addressKey(node.rpc), `nodes[${i}].rpc`, faults);
  });
  return nodes;
}

function checkNode(value: unknown, path: string, faults: string[]): TopologyNode {
  const fields = checkObject(value, path, ['id', 'http', 'rpc', 'zone', 'weight'], faults);
  if (fields === null) return { id: '', http: NOWHERE, rpc: NOWHERE, zone: '', weight: 0 };
  const { id, http, rpc, zone = 'default', weight = 1 } = fields;
  return {
    id: checkFolderName(id, `${path}.id`, faults),
    http: checkAddress(http, `${path}.http`, faults),
    rpc: checkAddress(rpc, `${path}.rpc`, faults),
    zone: checkName(zone, `${path}.zone`, faults),
    weight: checkWeight(weight, `${path}.weight`, faults),
  };
}

/** `{ "host": …, "port": … }`, or both in one string. */
function checkAddress(value: unknown, path: string, faults: string[]): Address {
  if (typeof value === 'string') {
    const [, ipv6, name, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(value) ?? [];
    const right = ipv6 === undefined ? name !== undefined && HOST_NAME.test(name) : isIPv6(ipv6);
    if (right && isPort(Number(digits))) return { host: ipv6 ?? name, port: Number(digits) };
    faults.push(`${path}: expected "host:port" or "[address]:port", ${described(value)}`);
    return NOWHERE;
  }
  if (!isFields(value)) {
    faults.push(`${path}: expected "host:port" or { "host": …, "port": … }, ${described(value)}`);
    return NOWHERE;
  }
  const { host, port } = checkObject(value, path, ['host', 'port'], faults) ?? value;
  const isHost = typeof host === 'string' && (HOST_NAME.test(host) || isIPv6(host));
  if (!isHost) faults.push(`${path}.host: expected a host name or an IP address, ${described(host)}`);
  if (!isPort(port)) faults.push(`${path}.port: expected a whole number from 1 to 65535, ${described(port)}`);
  return isHost && isPort(port) ? { host, port } : NOWHERE;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}

/** Upper and lower case make no difference in a host name. */
function addressKey(address: Address): string {
  if (address === NOWHERE) return '';
  const host = address.host.toLowerCase();
  return host.includes(':') ? `[${host}]:${address.port}` : `${host}:${address.port}`;
}

function checkName(value: unknown, path: string, faults: string[]): string {
  if (isName(value)) return value;
  faults.push(`${path}: expected 1 to 64 letters, digits, dots, dashes or underscores, ${described(value)}`);
  return '';
}

/** A node's id also names its folder, so it must be possible as such on every system. */
function checkFolderName(value: unknown, path: string, faults: string[]): string {
  const name = checkName(value, path, faults);
  if (isFolderName(name)) return name;
  faults.push(
    `${path}: ${name} cannot be the name of the node's folder: no dot at either end, no name of a device`,
  );
  return '';
}

function checkPath(value: unknown, path: string, faults: string[]): string {
  if (typeof value === 'string' && value.trim() !== '' && !value.includes('\0')) return value;
  faults.push(`${path}: expected the path of a file, ${described(value)}`);
  return '';
}

function checkWeight(value: unknown, path: string, faults: string[]): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  faults.push(`${path}: expected a number above 0, ${described(value)}`);
  return 0;
}

function checkChoice<T extends string>(
  value: unknown,
  path: string,
  choices: readonly T[],
  faults: string[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  faults.push(`${path}: expected one of ${choices.join(', ')}, ${described(value)}`);
  return choices[0];
}

/** @returns null when the value is no object: then its fields are not reported as missing one by one */
function checkObject(
  value: unknown,
  path: string,
  known: readonly string[],
  faults: string[],
): Fields | null {
  if (!isFields(value)) {
    faults.push(`${path === '' ? 'the document' : path}: expected an object, ${described(value)}`);
    return null;
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    faults.push(`${path === '' ? name : `${path}.${name}`}: unknown, expected one of ${known.join(', ')}`);
  }
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param seen where each value was first found; an empty value is passed over, as its fault was noted before */
function refuseSecond(seen: Map<string, string>, value: string, path: string, faults: string[]): void {
  if (value === '') return;
  const first = seen.get(value);
  if (first === undefined) seen.set(value, path);
  else faults.push(`${path}: ${value} is taken by ${first}`);
}

function described(value: unknown): string {
  if (value === undefined) return 'found nothing';
  if (Array.isArray(value)) return `found a list of ${value.length}`;
  if (isFields(value)) return 'found an object';
  return `found ${JSON.stringify(value)}`;
}
