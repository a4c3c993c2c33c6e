/**
 * The data folder of a cluster on one machine:
 *
 *   DIR/cluster.json   {"format": 1, "clusterId": "…", "nodes": 3}, written once, before any node's folder; if it is
 *                      lost, it is made again from the nodes' identities
 *   DIR/cluster.lock   held by the running `serve`
 *   DIR/cluster.secret the secret that its nodes prove to each other
 *   DIR/node-1 …       one folder per node, which the node itself makes and owns
 *
 * A node of a real cluster has DIR/<its id> and no cluster.json: its topology file names its cluster.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { countsAsEmpty } from '../../empty-folder.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import { clusterOfIdentities } from './cluster-of-identities.ts';
import { createExclusively, syncFolder } from './exclusive-file.ts';

interface LocalCluster {
  readonly clusterId: string;
  readonly nodes: number;
}

const CLUSTER_FILE = 'cluster.json';
const LOCK_FILE = 'cluster.lock';
const FORMAT = 1;
/** What a first start leaves that was cut short, or that another start is just making. */
const REMAINS = /^cluster\.(?:lock.*|secret|[\w.-]+\.tmp)$/;

export function nodeDirectory(directory: string, nodeId: string): string {
  return path.join(directory, nodeId);
}

/**
 * Checks whether a cluster of `nodes` nodes may use the folder. Changes nothing.
 * @returns the cluster that lives there, undefined when the folder does not exist yet
 * @throws QuorateError FOREIGN_DIRECTORY or STORAGE, with a sentence that says what to do
 */
export function inspectDataDirectory(directory: string, nodes: number): LocalCluster | undefined {
  const names = listDirectory(directory);
  if (names === undefined || countsAsEmpty(names, REMAINS)) {
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
 * Does what `inspectDataDirectory` does, and makes the folder durably when there is none. When several processes try at
 * the same moment, one of them makes it.
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
    // On a disk that takes no writes, the identities tell it again the next time.
    if (existing !== undefined && isReadOnly(error)) return existing;
    throw unusable(directory, error);
  }
  if (existing !== undefined) report(`${file} was missing and is made again from what the nodes' folders say`);
  // Another process may have made the file first, so read what is there.
  return inspectDataDirectory(directory, nodes) ?? cluster;
}

/**
 * Keeps another `serve` out until it is disposed of, or the process ends.
 * @throws QuorateError STORAGE when one runs already
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
    // Where no lock file can be made, nobody can write either, and each node locks its own folder as well.
    if (!isWritable(directory)) return { [Symbol.dispose]: () => undefined };
    throw unusable(directory, error);
  }
}

/** Checks whether the folder of a real cluster's node can be made or written. Changes nothing. */
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

/**
 * Makes the folder and those above it, durably. (`mkdir -p` in Node never ends where folders cannot be made, as in
 * /proc.)
 */
function makeDirectory(directory: string): void {
  if (fs.existsSync(directory)) {
    return;
  }
  const parent = path.dirname(directory);
  makeDirectory(parent);
  try {
    // Nobody but this user may look into it.
    fs.mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    // Another process made it first.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  syncFolder(parent);
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

/**
 * Like `checkWritable`, for a folder that holds data: on a disk that is mounted read-only its nodes still serve reads.
 */
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

function unusable(directory: string, error: unknown): QuorateError {
  return new QuorateError(
    'STORAGE',
    `the folder ${directory} cannot be used (${errorMessage(error)}): choose another with --data`,
    error,
  );
}
