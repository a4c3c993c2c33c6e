/**
 * The data folder of a cluster on one machine:
 *
 *   DIR/cluster.json   {"format": 1, "clusterId": "…", "nodes": 3}, written once, before any node's folder
 *   DIR/node-1 …       a folder a node, which the node itself makes and owns
 *
 * A node of a real cluster has DIR/<its id> and no cluster.json: its topology file says what cluster it is of.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { errorMessage, QuorateError } from '../errors.ts';

export interface LocalCluster {
  readonly clusterId: string;
  readonly nodes: number;
}

const CLUSTER_FILE = 'cluster.json';
const FORMAT = 1;
/** A crash while the folder was made leaves the temporary file; a new volume has its lost+found. */
const COUNTS_AS_EMPTY: ReadonlySet<string> = new Set([`${CLUSTER_FILE}.tmp`, 'lost+found']);

export function nodeDirectory(directory: string, nodeId: string): string {
  return path.join(directory, nodeId);
}

/**
 * Whether a cluster of `nodes` nodes may use the folder. Touches nothing.
 * @returns the cluster that lives there, undefined when the folder is still to be made
 * @throws QuorateError FOREIGN_DIRECTORY or STORAGE, with a sentence that says what to do
 */
export function inspectDataDirectory(directory: string, nodes: number): LocalCluster | undefined {
  const names = listDirectory(directory);
  if (names === undefined || names.every((name) => COUNTS_AS_EMPTY.has(name))) {
    checkWritable(nearestExisting(directory));
    return undefined;
  }
  if (!names.includes(CLUSTER_FILE)) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `the folder ${directory} holds something else (it has no ${CLUSTER_FILE}): choose a new or empty one with --data`,
    );
  }
  checkWritable(directory);
  const cluster = readCluster(path.join(directory, CLUSTER_FILE));
  if (cluster.nodes !== nodes) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `the folder ${directory} belongs to a cluster of ${cluster.nodes} nodes: use --nodes ${cluster.nodes} or another folder with --data`,
    );
  }
  return cluster;
}

/** As `inspectDataDirectory`, and makes the folder when there is none: durable on return. */
export function openDataDirectory(directory: string, nodes: number): LocalCluster {
  const existing = inspectDataDirectory(directory, nodes);
  if (existing !== undefined) {
    return existing;
  }
  const cluster: LocalCluster = { clusterId: randomUUID(), nodes };
  try {
    makeDirectory(path.resolve(directory));
    const file = path.join(directory, CLUSTER_FILE);
    fs.writeFileSync(`${file}.tmp`, `${JSON.stringify({ format: FORMAT, ...cluster })}\n`, { flush: true });
    fs.renameSync(`${file}.tmp`, file);
    syncDirectory(directory);
  } catch (error) {
    throw unusable(directory, error);
  }
  return cluster;
}

/** Whether the folder of a real cluster's node can be made or written. Touches nothing. */
export function checkMemberDirectory(directory: string): void {
  listDirectory(directory);
  checkWritable(nearestExisting(directory));
}

/** @returns undefined when there is no such folder */
function listDirectory(directory: string): string[] | undefined {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return undefined;
    }
    throw unusable(directory, error);
  }
}

function readCluster(file: string): LocalCluster {
  let content: unknown;
  try {
    content = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new QuorateError(
      'STORAGE',
      `${file} cannot be read (${errorMessage(error)}): restore it or use another --data`,
    );
  }
  const { format, clusterId, nodes } = (content ?? {}) as Record<string, unknown>;
  if (format !== FORMAT || typeof clusterId !== 'string' || typeof nodes !== 'number') {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `${file} is not what this version writes: use the version that made the folder, or another --data`,
    );
  }
  return { clusterId, nodes };
}

function nearestExisting(directory: string): string {
  let candidate = path.resolve(directory);
  while (!fs.existsSync(candidate) && candidate !== path.dirname(candidate)) {
    candidate = path.dirname(candidate);
  }
  return candidate;
}

/** With the folders above it, durably. (`mkdir -p` in Node never ends where folders cannot be made, as in /proc.) */
function makeDirectory(directory: string): void {
  if (fs.existsSync(directory)) {
    return;
  }
  const parent = path.dirname(directory);
  makeDirectory(parent);
  fs.mkdirSync(directory);
  syncDirectory(parent);
}

function checkWritable(directory: string): void {
  try {
    fs.accessSync(directory, fs.constants.W_OK | fs.constants.X_OK);
    if (!fs.statSync(directory).isDirectory()) {
      throw new Error('it is not a folder');
    }
  } catch (error) {
    throw unusable(directory, error);
  }
}

function syncDirectory(directory: string): void {
  const descriptor = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function unusable(directory: string, error: unknown): QuorateError {
  return new QuorateError(
    'STORAGE',
    `the folder ${directory} cannot be used (${errorMessage(error)}): choose another with --data`,
    error,
  );
}
