import { LsmError } from './errors.ts';
import type { FileSystem } from './fs/file-system.ts';
import { InsertStatus, Memtable } from './memtable/memtable.ts';
import type { EngineOptions } from './options.ts';
import { loadTable, type TableHandle } from './sstable/table-handle.ts';
import { Manifest } from './version/manifest.ts';
import { tableFileName } from './version/table-metadata.ts';
import { Version } from './version/version.ts';
import { replayLog } from './wal/log-reader.ts';

const LOCK_FILE = 'LOCK';
const LOG_NAME = /^(\d{6,})\.log$/;
const TABLE_NAME = /^(\d{6,})\.sst$/;
const OWN_NAME = /^(\d{6,}\.(log|sst|sst\.tmp)|MANIFEST-\d+|CURRENT|CURRENT\.tmp|LOCK(-journal|-wal|-shm)?)$/;

export interface RecoveredMemtable {
  readonly generation: number;
  readonly memory: SharedArrayBuffer;
}

/** What is on disk, ready to serve: the engine's state as of its last acknowledged write. */
export interface RecoveredState {
  readonly lock: Disposable;
  readonly manifest: Manifest;
  readonly version: Version;
  readonly handles: readonly TableHandle[];
  readonly oldestGeneration: number;
  readonly memtables: readonly RecoveredMemtable[];
  /** For the first log of this run. */
  readonly nextGeneration: number;
  readonly nextFileId: number;
}

/**
 * Opens a directory: takes its lock, reads the manifest, loads the tables' indexes and filters, replays the
 * logs, removes what a crash has left over. Runs on the main thread before anything is served.
 * @throws LsmError LOCKED, FOREIGN_DIRECTORY, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR; nothing is changed then
 */
export function recover(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
): RecoveredState {
  const names = fs.existsSync(directory) ? fs.listSync(directory) : [];
  const foreign = names.find((name) => !OWN_NAME.test(name));
  if (foreign !== undefined && !names.includes('CURRENT')) {
    throw new LsmError(
      'FOREIGN_DIRECTORY',
      `${directory} is not an engine's folder (it holds ${foreign}): name an empty or new one`,
    );
  }
  if (!fs.existsSync(directory)) fs.makeDirectorySync(directory);
  const lock = fs.lockSync(`${directory}/${LOCK_FILE}`);
  try {
    return { lock, ...recoverLocked(fs, directory, options, report) };
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

function recoverLocked(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
): Omit<RecoveredState, 'lock'> {
  const found = Manifest.recover(fs, directory) ?? {
    version: Version.empty(),
    oldestGeneration: 1,
    nextFileId: 1,
  };
  const { version, oldestGeneration } = found;
  const tables = version.levels.flat();
  const handles = tables.map((metadata) => loadTable(fs, directory, metadata));
  const logs = generationsOnDisk(fs, directory);
  const live = logs.filter((generation) => generation >= oldestGeneration);
  const memtables = live.map((generation) => replay(fs, directory, generation, options, report));
  const nextGeneration = Math.max(oldestGeneration, ...live.map((generation) => generation + 1));
  // A crash may have left tables whose edit never reached the manifest: their numbers are not used again.
  const tableIds = numbersOnDisk(fs, directory, TABLE_NAME);
  const nextFileId = Math.max(found.nextFileId, ...tableIds.map((id) => id + 1));
  const manifest = Manifest.create(fs, directory, { version, oldestGeneration, nextFileId });
  removeLeftovers(fs, directory, new Set(tables.map(({ id }) => tableFileName(id))), oldestGeneration);
  return { manifest, version, handles, oldestGeneration, memtables, nextGeneration, nextFileId };
}

function replay(
  fs: FileSystem,
  directory: string,
  generation: number,
  options: EngineOptions,
  report: (message: string) => void,
): RecoveredMemtable {
  let bytes = options.memtableBytes;
  for (;;) {
    const memory = new SharedArrayBuffer(bytes);
    const memtable = new Memtable(memory);
    memtable.reset(generation);
    let full = false;
    const { tornBytes } = replayLog(fs, directory, generation, (log, keyStart, keyEnd, recordStart, recordEnd) => {
      full ||= memtable.insert(log, keyStart, keyEnd, log, recordStart, recordEnd) === InsertStatus.full;
    });
    if (tornBytes > 0) report(`cut ${tornBytes} bytes that were never acknowledged from log ${generation}`);
    if (!full) {
      memtable.publish();
      return { generation, memory };
    }
    // Written with a larger memtable than today's options allow.
    bytes *= 2;
  }
}

function generationsOnDisk(fs: FileSystem, directory: string): number[] {
  return numbersOnDisk(fs, directory, LOG_NAME).sort((a, b) => a - b);
}

function numbersOnDisk(fs: FileSystem, directory: string, pattern: RegExp): number[] {
  return fs.listSync(directory).flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

/** Temporary and orphan tables, and logs whose memtables are in tables. */
function removeLeftovers(
  fs: FileSystem,
  directory: string,
  liveTables: ReadonlySet<string>,
  oldestGeneration: number,
): void {
  for (const name of fs.listSync(directory)) {
    const log = LOG_NAME.exec(name);
    const obsolete =
      name.endsWith('.tmp') ||
      (TABLE_NAME.test(name) && !liveTables.has(name)) ||
      (log !== null && Number(log[1]) < oldestGeneration);
    if (obsolete) fs.removeSync(`${directory}/${name}`);
  }
}
