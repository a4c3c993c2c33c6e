/**
 * The data folder of a cluster on one machine:
 *
 *   DIR/cluster.json   {"format": 1, "clusterId": "…", "nodes": 3}, written once, before any node's folder; if it is
 *                      lost it is made again of the nodes' identities
 *   DIR/cluster.lock   held by the `serve` that runs
 *   DIR/cluster.secret what its nodes prove to each other that they know
 *   DIR/node-1 …       a folder a node, which the node itself makes and owns
 *
 * A node of a real cluster has DIR/<its id> and no cluster.json: its topology file says what cluster it is of.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { errorMessage, QuorateError } from '../../errors.ts';
import { clusterOfIdentities } from './cluster-of-identities.ts';
import { createExclusively } from './exclusive-file.ts';

export interface LocalCluster {
  readonly clusterId: string;
  readonly nodes: number;
}

const CLUSTER_FILE = 'cluster.json';
const LOCK_FILE = 'cluster.lock';
const FORMAT = 1;
/** What a first start leaves that was cut short, or another one makes at this moment; a new volume's lost+found. */
const COUNTS_AS_EMPTY = /^(?:cluster\.lock.*|cluster\.secret|cluster\.[\w.-]+\.tmp|lost\+found)$/;

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
  if (names === undefined || names.every((name) => COUNTS_AS_EMPTY.test(name))) {
    checkWritable(nearestExisting(directory));
    return undefined;
  }
  const cluster = names.includes(CLUSTER_FILE)
    ? readCluster(path.join(directory, CLUSTER_FILE))
    : clusterOfIdentities(directory, names);
  if (cluster === undefined) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `the folder ${directory} holds something else (it has no ${CLUSTER_FILE}): choose a new or empty one with --data`,
    );
  }
  checkUsable(directory);
  if (cluster.nodes !== nodes) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `the folder ${directory} belongs to a cluster of ${cluster.nodes} nodes: use --nodes ${cluster.nodes} or another folder with --data`,
    );
  }
  return cluster;
}

/**
 * As `inspectDataDirectory`, and makes the folder when there is none: durable on return. Of several processes that
 * come at once one makes it.
 */
export function openDataDirectory(
  directory: string,
  nodes: number,
  report: (line: string) => void = () => undefined,
): LocalCluster {
  const existing = inspectDataDirectory(directory, nodes);
  const file = path.join(directory, CLUSTER_FILE);
  if (existing !== undefined && fs.existsSync(file)) return existing;
  const cluster = existing ?? { clusterId: randomUUID(), nodes };
  try {
    makeDirectory(path.resolve(directory));
    createExclusively(file, `${JSON.stringify({ format: FORMAT, ...cluster })}\n`);
  } catch (error) {
    // Where nothing can be written the identities say it the next time as well.
    if (existing !== undefined && isReadOnly(error)) return existing;
    throw unusable(directory, error);
  }
  if (existing !== undefined) report(`${file} was missing and is made again of what the nodes' folders say`);
  // Whoever made it.
  return inspectDataDirectory(directory, nodes) ?? cluster;
}

/**
 * Keeps another `serve` out until it is disposed of, or the process ends.
 * @throws QuorateError STORAGE: one runs already
 */
export async function lockDataDirectory(directory: string): Promise<Disposable> {
  const { LsmError, NodeFileSystem } = await import('../../../native-free-lsm/index.ts');
  const file = path.join(directory, LOCK_FILE);
  try {
    return new NodeFileSystem().lockSync(file);
  } catch (error) {
    if (error instanceof LsmError && error.code === 'LOCKED') {
      throw new QuorateError(
        'STORAGE',
        `the folder ${directory} is in use by another serve: stop that one first, or choose another with --data`,
        error,
      );
    }
    // Where no lock can be made nobody can write: each node's own folder is locked as well.
    if (!isWritable(directory)) return { [Symbol.dispose]: () => undefined };
    throw unusable(directory, error);
  }
}

/** Whether the folder of a real cluster's node can be made or written. Touches nothing. */
export function checkMemberDirectory(directory: string): void {
  if (listDirectory(directory) === undefined) checkWritable(nearestExisting(directory));
  else checkUsable(directory);
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
  try {
    // For this user alone: what is in it is nobody else's business.
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
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

/** As `checkWritable`, of a folder with data in it: on a disk that is mounted read-only its nodes serve what is there. */
function checkUsable(directory: string): void {
  try {
    checkWritable(directory);
  } catch (error) {
    if (!isReadOnly((error as QuorateError).cause)) throw error;
  }
}

function isReadOnly(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'EROFS';
}

function isWritable(directory: string): boolean {
  try {
    checkWritable(directory);
    return true;
  } catch {
    return false;
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
