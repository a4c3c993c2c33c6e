/**
 * The folders of the nodes that are filled. All are checked before anything is changed, marked as unfinished and locked
 * while tables are written, and taken into service together.
 */
import fs from 'node:fs';
import path from 'node:path';
import { BulkLoad, LsmError, NodeFileSystem, type TableMetadata } from '../../../native-free-lsm/index.ts';
import { systemClock, systemRandom } from '../../clock.ts';
import { QuorateError } from '../../errors.ts';
import { folderFault, writeNewFile } from '../../replica/folder-files.ts';
import {
  createIdentity,
  ENGINE_FOLDER,
  FILLING_FILE,
  introduceFolders,
  isFreeFolder,
} from '../../replica/identity.ts';
import type { Identity } from '../../replica/identity-file.ts';
import { FILL_TIMESTAMP } from './tables.ts';

const disk = new NodeFileSystem();

export interface NodeFolder {
  readonly nodeId: string;
  readonly directory: string;
}

export function engineDirectory(folder: NodeFolder): string {
  return path.join(folder.directory, ENGINE_FOLDER);
}

/**
 * Checks that every folder is empty or left by an unfinished fill. Changes nothing.
 * @returns bytes of unfinished fills, which are freed by starting over
 * @throws QuorateError FOREIGN_DIRECTORY, STORAGE
 */
export function inspectFolders(folders: readonly NodeFolder[]): number {
  let leftoverBytes = 0;
  for (const folder of folders) {
    const names = listFolder(folder.directory);
    if (names.includes(FILLING_FILE)) {
      leftoverBytes += folderBytes(engineDirectory(folder));
    } else if (!isFreeFolder(names)) {
      throw new QuorateError(
        'FOREIGN_DIRECTORY',
        `the folder ${folder.directory} holds data already and fill builds new ones only: delete it, or choose another --data`,
      );
    }
  }
  return leftoverBytes;
}

/** Disposing of it unlocks the folders, whether the fill is finished or not. */
export class FillFolders implements Disposable {
  readonly #folders: readonly NodeFolder[];
  readonly #loads: readonly BulkLoad[];

  private constructor(folders: readonly NodeFolder[], loads: readonly BulkLoad[]) {
    this.#folders = folders;
    this.#loads = loads;
  }

  /**
   * Marks, locks and empties the folders. Call it after `inspectFolders` found nothing.
   * @throws QuorateError STORAGE
   */
  static async begin(folders: readonly NodeFolder[]): Promise<FillFolders> {
    const locked = new Map<NodeFolder, BulkLoad>();
    try {
      // Folders with an engine could be in use: they are locked first, so that nothing is changed when one is.
      const [known, fresh] = [folders.filter(hasEngine), folders.filter((folder) => !hasEngine(folder))];
      for (const folder of known) locked.set(folder, lockEngine(folder));
      // A fill that ended between the inspection and the lock has removed its mark.
      inspectFolders(folders);
      for (const folder of fresh) {
        markUnfinished(folder.directory);
        locked.set(folder, lockEngine(folder));
      }
      const loads = folders.map((folder) => locked.get(folder)!);
      for (const load of loads) load.clear();
      return new FillFolders(folders, loads);
    } catch (error) {
      for (const load of locked.values()) load[Symbol.dispose]();
      throw storageFault(error);
    }
  }

  /**
   * Puts the tables in force and removes the marks.
   * @param tablesOf the tables of each folder, in the order of the folders
   */
  async finish(clusterId: string, tablesOf: readonly (readonly TableMetadata[])[]): Promise<void> {
    try {
      for (const [i, load] of this.#loads.entries()) await load.commit(tablesOf[i]);
      const made: { readonly folder: string; readonly identity: Identity }[] = [];
      for (const { directory, nodeId } of this.#folders) {
        const identity = await createIdentity(disk, directory, {
          clusterId,
          nodeId,
          nowMs: systemClock.nowMs(),
          random: systemRandom,
          whole: 'whole',
          clockCeiling: FILL_TIMESTAMP + 1,
        });
        made.push({ folder: directory, identity });
      }
      await introduceFolders(disk, made);
    } catch (error) {
      throw storageFault(error);
    }
    // There is no pause between them: a kill there would leave a cluster of which only a part is finished.
    for (const { directory } of this.#folders) fs.rmSync(path.join(directory, FILLING_FILE));
    for (const { directory } of this.#folders) disk.syncDirectorySync(directory);
  }

  [Symbol.dispose](): void {
    for (const load of this.#loads) load[Symbol.dispose]();
  }
}

function hasEngine(folder: NodeFolder): boolean {
  return fs.existsSync(engineDirectory(folder));
}

function markUnfinished(directory: string): void {
  const mark = path.join(directory, FILLING_FILE);
  try {
    disk.makeDirectorySync(directory);
    if (!disk.existsSync(mark)) writeNewFile(disk, mark, new Uint8Array(0));
    disk.syncDirectorySync(directory);
  } catch (error) {
    throw folderFault(directory, error);
  }
}

function lockEngine(folder: NodeFolder): BulkLoad {
  try {
    return BulkLoad.begin(disk, engineDirectory(folder));
  } catch (error) {
    if (!(error instanceof LsmError) || error.code !== 'LOCKED') throw error;
    throw new QuorateError(
      'STORAGE',
      `the folder ${folder.directory} is in use by another process: stop it, or choose another --data`,
      error,
    );
  }
}

/** The engine's errors say what to do too, so their sentences are kept. */
function storageFault(error: unknown): unknown {
  return error instanceof LsmError ? new QuorateError('STORAGE', error.message, error) : error;
}

function listFolder(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw folderFault(directory, error);
  }
}

function folderBytes(directory: string): number {
  let bytes = 0;
  for (const name of listFolder(directory)) {
    bytes += fs.statSync(path.join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
