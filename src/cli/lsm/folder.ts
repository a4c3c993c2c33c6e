/** Finds out which folder an `lsm` command is about: a node's, or the engine's inside it. Changes nothing. */
import fs from 'node:fs';
import path from 'node:path';
import {
  type FileSystem,
  LsmError,
  loadOfflineTools,
  NodeFileSystem,
} from '../../../native-free-lsm/index.ts';
import { systemClock } from '../../clock.ts';
import { errorMessage, QuorateError } from '../../errors.ts';
import { ENGINE_FOLDER, FILLING_FILE } from '../../replica/identity.ts';
import { decodeIdentity, IDENTITY_FILE, type Identity } from '../../replica/identity-file.ts';

export interface LsmFolder {
  /** The engine's folder. */
  readonly engine: string;
  /** The node's folder; undefined when the engine's folder stands alone. */
  readonly node: string | undefined;
}

/** @throws QuorateError FOREIGN_DIRECTORY, UNFINISHED_FILL or STORAGE, with a sentence that says what DIR is instead */
export async function findFolder(directory: string): Promise<LsmFolder> {
  const names = list(directory);
  if (names.length === 0) throw foreign(`the folder ${directory} is empty: name a node's data folder`);
  if (names.includes(FILLING_FILE)) throw unfinished(directory);
  if (names.includes(IDENTITY_FILE) || names.includes(ENGINE_FOLDER)) {
    const engine = path.join(directory, ENGINE_FOLDER);
    if (!names.includes(ENGINE_FOLDER)) {
      throw foreign(`the node of ${directory} has never started: there is no ${ENGINE_FOLDER} folder in it`);
    }
    await requireEngine(engine);
    return { engine, node: directory };
  }
  if (names.includes('cluster.json')) {
    const nodes = names.filter((name) => fs.existsSync(path.join(directory, name, ENGINE_FOLDER)));
    const example = nodes.length === 0 ? '' : `, ${path.join(directory, nodes[0])} for example`;
    throw foreign(
      `the folder ${directory} is that of a whole cluster: name the folder of one node${example}`,
    );
  }
  await requireEngine(directory);
  const parent = path.dirname(path.resolve(directory));
  const isOfNode =
    path.basename(path.resolve(directory)) === ENGINE_FOLDER &&
    fs.existsSync(path.join(parent, IDENTITY_FILE));
  if (isOfNode && fs.existsSync(path.join(parent, FILLING_FILE))) throw unfinished(parent);
  return { engine: directory, node: isOfNode ? parent : undefined };
}

async function requireEngine(directory: string): Promise<void> {
  const { isEngineFolder, listFolder } = await loadOfflineTools();
  list(directory);
  const contents = listFolder(new NodeFileSystem(), directory);
  if (isEngineFolder(contents)) return;
  const [other] = contents.foreign;
  const reason = other === undefined ? 'nothing was ever stored in it' : `it holds ${other}`;
  throw foreign(`the folder ${directory} is neither a node's nor an engine's (${reason})`);
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw foreign(`there is no folder ${directory}`);
    if (code === 'ENOTDIR') throw foreign(`${directory} is a file: name a node's data folder`);
    throw new QuorateError(
      'STORAGE',
      `the folder ${directory} cannot be read (${errorMessage(error)})`,
      error,
    );
  }
}

function foreign(sentence: string): QuorateError {
  return new QuorateError('FOREIGN_DIRECTORY', sentence);
}

function unfinished(directory: string): QuorateError {
  return new QuorateError(
    'UNFINISHED_FILL',
    `a fill of the folder ${directory} did not finish: run fill again, or delete the folder`,
  );
}

/**
 * Keeps a node from starting while the folder is changed.
 * @throws QuorateError STORAGE when the node runs
 */
export async function holdFolder({ engine }: LsmFolder): Promise<Disposable> {
  const { lockForReading } = await loadOfflineTools();
  try {
    return lockForReading(new NodeFileSystem(), engine);
  } catch (error) {
    throw inUse(engine, error);
  }
}

/** A folder that is being read. */
interface ReadFolder extends Disposable {
  /** By which its files are read. */
  readonly fs: FileSystem;
  /** Whether its node, or another command, has it open: then what is read is one moment of it. */
  readonly isInUse: boolean;
}

/** What is read of a folder that is in use, and may have been half done just then. */
export const IN_USE_NOTE =
  'the folder is in use: this is one moment of it, and what is unfinished is being written';

/**
 * Keeps a node from starting while the folder is read. Of a folder that is in use it takes one moment: its node goes on,
 * and does not notice.
 * @throws QuorateError STORAGE when it cannot be opened, or changes too fast
 */
export async function readFolder({ engine }: LsmFolder): Promise<ReadFolder> {
  const { FrozenFolder, lockForReading } = await loadOfflineTools();
  const fs = new NodeFileSystem();
  try {
    const lock = lockForReading(fs, engine);
    return { fs, isInUse: false, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  } catch (error) {
    if (!(error instanceof LsmError) || error.code !== 'LOCKED') throw storageError(error);
  }
  try {
    const frozen = FrozenFolder.take(fs, engine);
    return { fs: frozen, isInUse: true, [Symbol.dispose]: () => frozen[Symbol.dispose]() };
  } catch (error) {
    throw storageError(error);
  }
}

function storageError(error: unknown): unknown {
  return error instanceof LsmError ? new QuorateError('STORAGE', error.message, error) : error;
}

/** Turns the error of a folder that is in use into a sentence for people; returns any other error unchanged. */
export function inUse(directory: string, error: unknown): unknown {
  if (!(error instanceof LsmError) || error.code !== 'LOCKED') return error;
  return new QuorateError(
    'STORAGE',
    `the folder ${directory} is in use: stop its node (or the other command) first`,
    error,
  );
}

/**
 * @returns the identity of the folder's node; null when the folder belongs to no node
 * @throws QuorateError STORAGE that names file and offset when the file is damaged or missing
 */
export function readIdentity({ node }: LsmFolder): Identity | null {
  if (node === undefined) return null;
  const file = path.join(node, IDENTITY_FILE);
  let bytes: Uint8Array;
  try {
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw new QuorateError('STORAGE', `${file} cannot be read (${errorMessage(error)})`, error);
  }
  return decodeIdentity(bytes, file);
}

/** Lets the event loop turn between two pieces of long work, so that progress is drawn and Ctrl-C is heard. */
export function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.endOfTurn(resolve));
}
