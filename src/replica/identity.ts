/**
 * A node's data folder before it serves: whose it is, whether it may be used, and making one.
 *
 *   IDENTITY     who the folder belongs to (identity-file.ts)
 *   engine/      the storage engine's own folder, with the lock that keeps a second node out
 *   FILLING      there while a bulk load runs: its tables are not all there yet
 */
import type { Random } from '../clock.ts';
import { countsAsEmpty } from '../empty-folder.ts';
import { QuorateError } from '../errors.ts';
import { type FolderFiles, folderFault, nodeFolderFiles, replaceFile } from './folder-files.ts';
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
/** A crash while the first identity was written leaves its temporary file. */
const REMAINS = /^IDENTITY\.(?:[\w-]+\.)?tmp$/;

/** Whether a folder that holds these names may be taken for a new node. */
export function isFreeFolder(names: readonly string[]): boolean {
  return countsAsEmpty(names, REMAINS);
}

export interface FolderOwner {
  readonly clusterId: string;
  readonly nodeId: string;
}

/**
 * Reads whose folder it is, and touches nothing.
 *
 * @returns null when there is no folder or nothing in it: it may be taken
 * @throws QuorateError FOREIGN_DIRECTORY when the folder is another node's, another cluster's or no node's;
 *   UNFINISHED_FILL when a bulk load was interrupted in it; STORAGE when it is damaged or cannot be read
 */
export async function inspectFolder(
  folder: string,
  owner: FolderOwner,
  files: FolderFiles = nodeFolderFiles,
): Promise<Identity | null> {
  const identity = await readIdentity(folder, files);
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

/** Whether there is an engine's folder below that of the node: since its first start, or a bulk load. */
export function hasHeldData({ history, whole }: Identity): boolean {
  return history.starts.length > 0 || whole === 'whole';
}

export interface NewIdentity extends FolderOwner {
  /** Ms since the Unix epoch. */
  readonly nowMs: number;
  readonly random: Random;
  /** `whole` only from one who put everything into the folder that belongs there: a bulk load. */
  readonly whole: WholeState;
  /** Above every timestamp written into the folder; 0 when there is none. */
  readonly clockCeiling: number;
}

/**
 * Makes the folder, where it is missing, and its first identity. On return both are durable. Of several nodes that
 * come at once one makes it, and the others find what is there.
 *
 * @throws QuorateError STORAGE when the folder cannot be made or written
 */
export async function claimFolder(
  folder: string,
  fields: NewIdentity,
  files: FolderFiles = nodeFolderFiles,
): Promise<void> {
  try {
    await files.makeFolder(folder);
    await files.create(`${folder}/${IDENTITY_FILE}`, encodeIdentity(newIdentity(fields)));
    await files.syncFolder(folder);
  } catch (error) {
    throw folderFault(folder, error);
  }
}

/**
 * The same for one who has the folder to himself: an identity that is there already is replaced.
 *
 * @throws QuorateError STORAGE when the folder cannot be made or written
 */
export async function createIdentity(
  folder: string,
  fields: NewIdentity,
  files: FolderFiles = nodeFolderFiles,
): Promise<Identity> {
  const identity = newIdentity(fields);
  try {
    await files.makeFolder(folder);
    await replaceFile(files, folder, IDENTITY_FILE, encodeIdentity(identity));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return identity;
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
 * Declares a stopped node's folder whole: an operator's word that nothing is missing from it. The peers then take
 * it as it is, in place of what they remember.
 *
 * @param lock keeps the node from starting meanwhile; fails when it runs
 */
export async function declareWhole(
  folder: string,
  nowMs: number,
  lock: () => Promise<AsyncDisposable>,
  files: FolderFiles = nodeFolderFiles,
): Promise<Identity> {
  if ((await readIdentity(folder, files)) === null) throw notANodesFolder(folder, 'nothing is in it');
  await using _held = await lock();
  // What was read before the lock was held may have changed since.
  const identity = await readIdentity(folder, files);
  if (identity === null) throw notANodesFolder(folder, 'nothing is in it');
  // Later than every word of before, of this folder or of the one it replaces, whatever the clock says.
  const knownMs = Math.max(identity.declaredMs, identity.missing?.declaredMs ?? 0);
  const declaredMs = Math.max(nowMs, knownMs + 1);
  const declared: Identity = { ...identity, whole: 'whole', declaredMs, missing: null, newestTimestamp: 0 };
  try {
    await replaceFile(files, folder, IDENTITY_FILE, encodeIdentity(declared));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return declared;
}

/**
 * Marks a stopped node's folder, whose engine is locked by the caller, as one from which something is missing: the
 * node takes writes and counts for no read, however its peers know it, until an operator declares it whole.
 *
 * @returns whether it says so now; false only for a folder that is no node's
 * @throws QuorateError STORAGE, UNFINISHED_FILL, FOREIGN_DIRECTORY
 */
export async function markIncomplete(folder: string, files: FolderFiles = nodeFolderFiles): Promise<boolean> {
  const identity = await readIdentity(folder, files);
  if (identity === null) return false;
  if (identity.whole === 'incomplete') return true;
  try {
    const marked: Identity = { ...identity, whole: 'incomplete' };
    await replaceFile(files, folder, IDENTITY_FILE, encodeIdentity(marked));
  } catch (error) {
    throw folderFault(folder, error);
  }
  return true;
}

/** @returns null when the folder is missing or as good as empty */
async function readIdentity(folder: string, files: FolderFiles): Promise<Identity | null> {
  let bytes: Uint8Array | null;
  try {
    const names = await files.list(folder);
    if (names === null || isFreeFolder(names)) return null;
    if (names.includes(FILLING_FILE)) {
      throw new QuorateError(
        'UNFINISHED_FILL',
        `A fill of the data folder ${folder} did not finish: run fill again, or delete the folder`,
      );
    }
    bytes = await files.read(`${folder}/${IDENTITY_FILE}`);
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
