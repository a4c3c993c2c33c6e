/**
 * A node's data folder before it serves: whose it is, whether it may be used, and making one.
 *
 *   IDENTITY     who the folder belongs to (identity-file.ts)
 *   engine/      the storage engine's own folder, with the lock that keeps a second node out
 *   FILLING      there while a bulk load runs: its tables are not all there yet
 */
import type { FileSystem } from '../../native-free-lsm/index.ts';
import type { Random } from '../clock.ts';
import { countsAsEmpty } from '../empty-folder.ts';
import { QuorateError } from '../errors.ts';
import { claimFile, folderFault, listFolder, readFile, replaceFile } from './folder-files.ts';
import {
  decodeIdentity,
  encodeIdentity,
  IDENTITY_FILE,
  type Identity,
  randomIncarnation,
  type WholeState,
} from './identity-file.ts';

export const ENGINE_FOLDER = 'engine';
export const FILLING_FILE = 'FILLING';
/** A crash during the write of the first identity leaves its temporary file. */
const REMAINS = /^IDENTITY\.(?:[\w-]+\.)?tmp$/;

/** Whether a folder with these entries may be taken for a new node. */
export function isFreeFolder(names: readonly string[]): boolean {
  return countsAsEmpty(names, REMAINS);
}

interface FolderOwner {
  readonly clusterId: string;
  readonly nodeId: string;
}

/**
 * Reads who the folder belongs to, and changes nothing.
 * @returns null when there is no folder or nothing in it, so that it may be taken
 * @throws QuorateError FOREIGN_DIRECTORY when the folder belongs to another node, to another cluster or to no node;
 *   UNFINISHED_FILL when a bulk load was interrupted in it; STORAGE when it is damaged or cannot be read
 */
export function inspectFolder(fs: FileSystem, folder: string, owner: FolderOwner): Identity | null {
  const identity = readIdentity(fs, folder);
  if (identity === null) return null;
  if (identity.clusterId !== owner.clusterId) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `The data folder ${folder} belongs to cluster ${identity.clusterId} and this is cluster ${owner.clusterId}: choose another data folder, or the topology it was made for`,
    );
  }
  if (identity.nodeId !== owner.nodeId) {
    throw new QuorateError(
      'FOREIGN_DIRECTORY',
      `The data folder ${folder} belongs to node ${identity.nodeId} and this is node ${owner.nodeId}: give each node the folder it started with`,
    );
  }
  return identity;
}

/** Whether there must be an engine's folder in the node's: from its first start, or a bulk load, on. */
export function hasHeldData({ history, whole }: Identity): boolean {
  return history.starts.length > 0 || whole === 'whole';
}

interface NewIdentity extends FolderOwner {
  /** In ms since the Unix epoch. */
  readonly nowMs: number;
  readonly random: Random;
  /** `whole` only for a caller that put all data into the folder: a bulk load. */
  readonly whole: WholeState;
  /** Above every timestamp in the folder; 0 when there is none. */
  readonly clockCeiling: number;
}

/**
 * Makes the folder where it is missing, and its first identity. Both are durable on return. When several nodes try at
 * the same moment, one of them makes it and the others find it.
 * @throws QuorateError STORAGE when the folder cannot be made or written
 */
export function claimFolder(fs: FileSystem, folder: string, fields: NewIdentity): void {
  const identity = newIdentity(fields);
  const path = `${folder}/${IDENTITY_FILE}`;
  try {
    fs.makeDirectorySync(folder);
    claimFile(fs, path, `${path}.${identity.incarnation}.tmp`, encodeIdentity(identity));
    fs.syncDirectorySync(folder);
  } catch (error) {
    throw folderFault(folder, error);
  }
}

/**
 * The same for a caller that has the folder alone: an existing identity is replaced.
 * @throws QuorateError STORAGE when the folder cannot be made or written
 */
export async function createIdentity(fs: FileSystem, folder: string, fields: NewIdentity): Promise<Identity> {
  const identity = newIdentity(fields);
  try {
    fs.makeDirectorySync(folder);
    await replaceFile(fs, folder, IDENTITY_FILE, encodeIdentity(identity));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return identity;
}

/**
 * Has the folders of one cluster that were made together know of each other, as if their nodes had met: one that is
 * emptied before they ever do is noticed then.
 * @throws QuorateError STORAGE when a folder cannot be written
 */
export async function introduceFolders(
  fs: FileSystem,
  made: readonly { readonly folder: string; readonly identity: Identity }[],
): Promise<void> {
  for (const { folder, identity } of made) {
    const others = made.filter((other) => other.identity !== identity);
    const remembered = Object.fromEntries(
      others.map(({ identity: { nodeId, incarnation, declaredMs } }) => [
        nodeId,
        { incarnation, startId: 0, progress: 0, declaredMs },
      ]),
    );
    try {
      await replaceFile(fs, folder, IDENTITY_FILE, encodeIdentity({ ...identity, remembered }));
    } catch (error) {
      throw folderFault(folder, error);
    }
  }
}

function newIdentity(fields: NewIdentity): Identity {
  return {
    clusterId: fields.clusterId,
    nodeId: fields.nodeId,
    incarnation: randomIncarnation(fields.random),
    createdMs: fields.nowMs,
    whole: fields.whole,
    declaredMs: fields.whole === 'whole' ? fields.nowMs : 0,
    missing: null,
    clockCeiling: fields.clockCeiling,
    newestTimestamp: 0,
    history: { progress: 0, starts: [] },
    remembered: {},
  };
}

/**
 * Declares a stopped node's folder whole, because an operator says that nothing is missing from it. The peers then
 * accept it as it is, in place of what they remember.
 * @param lock keeps the node from starting meanwhile; fails when it runs
 */
export async function declareWhole(
  fs: FileSystem,
  folder: string,
  nowMs: number,
  lock: () => Disposable,
): Promise<Identity> {
  if (readIdentity(fs, folder) === null) throw notANodesFolder(folder, 'nothing is in it');
  using _held = lock();
  // It may have changed since it was read before the lock was held.
  const identity = readIdentity(fs, folder);
  if (identity === null) throw notANodesFolder(folder, 'nothing is in it');
  // Later than every declaration before, of this folder or of the one that it replaces, whatever the clock shows.
  const knownMs = Math.max(identity.declaredMs, identity.missing?.declaredMs ?? 0);
  const declaredMs = Math.max(nowMs, knownMs + 1);
  const declared: Identity = { ...identity, whole: 'whole', declaredMs, missing: null, newestTimestamp: 0 };
  try {
    await replaceFile(fs, folder, IDENTITY_FILE, encodeIdentity(declared));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return declared;
}

/**
 * Marks a stopped node's folder, whose engine the caller has locked, as one from which something is missing. The node
 * then counts for no read, whatever its peers remember, until it is refilled or an operator declares it whole.
 * @returns whether it is marked now; false only for a folder that belongs to no node
 * @throws QuorateError STORAGE, UNFINISHED_FILL, FOREIGN_DIRECTORY
 */
export async function markIncomplete(fs: FileSystem, folder: string): Promise<boolean> {
  const identity = readIdentity(fs, folder);
  if (identity === null) return false;
  try {
    // It names what is missing: what was refilled before means nothing any more.
    const marked: Identity = { ...identity, whole: 'incomplete', declaredMs: identity.declaredMs + 1 };
    await replaceFile(fs, folder, IDENTITY_FILE, encodeIdentity(marked));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return true;
}

/** @returns null when the folder is missing or counts as empty */
function readIdentity(fs: FileSystem, folder: string): Identity | null {
  let bytes: Uint8Array | null;
  try {
    const names = listFolder(fs, folder);
    if (names === null || isFreeFolder(names)) return null;
    if (names.includes(FILLING_FILE)) {
      throw new QuorateError(
        'UNFINISHED_FILL',
        `A fill of the data folder ${folder} did not finish: run fill again, or delete the folder`,
      );
    }
    bytes = readFile(fs, `${folder}/${IDENTITY_FILE}`);
  } catch (error) {
    throw folderFault(folder, error);
  }
  if (bytes === null)
    throw notANodesFolder(
      folder,
      `it has files but no ${IDENTITY_FILE}; if it had one, put that back from a copy`,
    );
  return decodeIdentity(bytes, `${folder}/${IDENTITY_FILE}`);
}

function notANodesFolder(folder: string, why: string): QuorateError {
  return new QuorateError(
    'FOREIGN_DIRECTORY',
    `The folder ${folder} is not a node's data folder (${why}): choose another, or an empty one`,
  );
}
