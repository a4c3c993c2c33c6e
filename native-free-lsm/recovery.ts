import { corruption, LsmError } from './errors.ts';
import type { HashSeed } from './format/hash.ts';
import type { FileSystem } from './fs/file-system.ts';
import { ioFailure } from './fs/io-failure.ts';
import { createArena } from './memtable/arena-layout.ts';
import { InsertStatus, Memtable } from './memtable/memtable.ts';
import { type EngineOptions, tableOptions } from './options.ts';
import { runBackgroundJob } from './roles/jobs.ts';
import type { BackgroundResult } from './roles/messages.ts';
import { createControl, GENERATION_SLOTS } from './shared/control.ts';
import { hashSeedOf, loadTable, readTableMetadata } from './sstable/load-table.ts';
import type { TableHandle } from './sstable/table-handle.ts';
import {
  CURRENT_FILE_NAME,
  type FileKind,
  LOCK_FILE_NAME,
  parseFileName,
  REPAIR_MARK_NAME,
} from './version/file-names.ts';
import { Manifest } from './version/manifest.ts';
import type { RecoveredManifest } from './version/manifest-reader.ts';
import { tableFileName } from './version/table-metadata.ts';
import { Version } from './version/version.ts';
import { logFileName, missingLogs } from './wal/log-format.ts';
import { replayLog } from './wal/log-reader.ts';

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
  /** Of all hashes of keys, in the tables there are, if there are any, and in those to come. */
  readonly hashSeed: HashSeed;
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
  drawHashSeed: () => HashSeed,
): RecoveredState {
  try {
    refuseForeign(fs, directory);
    if (!fs.existsSync(directory)) fs.makeDirectorySync(directory);
    const lock = fs.lockSync(`${directory}/${LOCK_FILE_NAME}`);
    try {
      refuseHalfRepaired(fs, directory);
      return { lock, ...recoverLocked(fs, directory, options, report, drawHashSeed) };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw ioFailure('open', directory, error);
  }
}

function refuseForeign(fs: FileSystem, directory: string): void {
  const names = fs.existsSync(directory) ? fs.listSync(directory) : [];
  const foreign = names.find((name) => parseFileName(name) === undefined && !name.startsWith(LOCK_FILE_NAME));
  if (foreign === undefined || names.includes(CURRENT_FILE_NAME)) return;
  throw new LsmError(
    'FOREIGN_DIRECTORY',
    `${directory} is not an engine's folder (it holds ${foreign}): name an empty or new one`,
  );
}

/** @throws LsmError CORRUPTION: a repair that did not finish may have put aside a part of what it must */
export function refuseHalfRepaired(fs: FileSystem, directory: string): void {
  const mark = `${directory}/${REPAIR_MARK_NAME}`;
  if (fs.existsSync(mark)) throw corruption(mark, 0, 'a repair of the folder did not finish: run it again');
}

function recoverLocked(
  fs: FileSystem,
  directory: string,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
): Omit<RecoveredState, 'lock'> {
  const recovered = Manifest.recover(fs, directory);
  const found = recovered ?? EMPTY;
  const handles = found.version.levels.flat().map((metadata) => loadTable(fs, directory, metadata));
  const hashSeed = hashSeedOf(handles) ?? drawHashSeed();
  const logs = numbersOnDisk(fs, directory, 'log').sort((a, b) => a - b);
  const live = logs.filter((generation) => generation >= found.oldestGeneration);
  const tableIds = numbersOnDisk(fs, directory, 'table');
  if (recovered !== undefined) {
    const { path, tornBytes } = recovered;
    refuseLostEdits(fs, directory, recovered, live, tableIds);
    if (tornBytes > 0) report(`passed over ${tornBytes} bytes at the end of ${path} that never took effect`);
  }
  const memtables = live.map((generation) => replay(fs, directory, generation, options, hashSeed, report));
  const nextGeneration = Math.max(found.oldestGeneration, ...live.map((generation) => generation + 1));
  // A crash may have left tables whose edit never reached the manifest, finished or not: their numbers are not used
  // again, so that nothing written from here on meets them.
  const idsOnDisk = [...tableIds, ...numbersOnDisk(fs, directory, 'temporary')];
  let { version, oldestGeneration } = found;
  let nextFileId = Math.max(found.nextFileId, ...idsOnDisk.map((id) => id + 1));
  // Starts that a crash follows leave a log each. Those there is no place for go into tables here and now.
  for (const { generation, memory } of memtables.splice(0, memtables.length - MAX_RECOVERED_MEMTABLES)) {
    const tables = flush(fs, directory, generation, memory, nextFileId, options, hashSeed);
    nextFileId += FILE_IDS_PER_FLUSH;
    version = version.apply({ added: tables.map(({ metadata }) => metadata), removed: [] });
    handles.push(...tables);
    oldestGeneration = generation + 1;
  }
  const manifest = Manifest.create(
    fs,
    directory,
    { version, oldestGeneration, nextFileId },
    options.maxManifestBytes,
  );
  const liveTables = new Set(handles.map(({ metadata }) => metadata.id));
  removeLeftovers(fs, directory, liveTables, oldestGeneration, report);
  return { manifest, version, handles, oldestGeneration, memtables, nextGeneration, nextFileId, hashSeed };
}

/**
 * The end of a manifest that is lost, or cut between two edits, looks like that of one that crashed there. What
 * betrays it is the rest of the folder. If the lost edit was a flush, its log is gone: the next log is made before
 * a flush begins, so one is missing in the row, or, when a restart came between, there is none at all but a table
 * of later writes than the manifest knows. No unfinished job leaves one: flushes start from logs, and compactions
 * write nothing new. (A lost compaction names tables that are gone.)
 * @throws LsmError CORRUPTION
 */
export function refuseLostEdits(
  fs: FileSystem,
  directory: string,
  { endOffset, oldestGeneration, path, version }: RecoveredManifest,
  live: readonly number[],
  tableIds: readonly number[],
): void {
  const [missing] = missingLogs(oldestGeneration, live);
  if (missing !== undefined) {
    const [lost, later] = [missing, live[live.length - 1]].map(logFileName);
    throw corruption(
      path,
      endOffset,
      `there is no ${lost} though there is ${later}: either that file is lost, or what said here that it was flushed`,
    );
  }
  if (live.length > 0) return;
  const listed = new Set(version.levels.flat().map(({ id }) => id));
  for (const id of tableIds) {
    if (listed.has(id) || !isNewerOrphan(fs, directory, id, version.largestTimestamp)) continue;
    const orphan = tableFileName(id);
    throw corruption(
      path,
      endOffset,
      `it does not list ${orphan}, which holds later writes than all it lists`,
    );
  }
}

/**
 * Whether a table that the manifest does not name holds later writes than `timestamp`, the latest of those it
 * names. One that cannot be read was never complete, or cannot be kept.
 */
export function isNewerOrphan(fs: FileSystem, directory: string, id: number, timestamp: number): boolean {
  try {
    return readTableMetadata(fs, directory, id, 0).largestTimestamp > timestamp;
  } catch {
    return false;
  }
}

/** With the active one, the next, and what is not let go of yet they stay within the places for generations. */
const MAX_RECOVERED_MEMTABLES = GENERATION_SLOTS - 4;
const EMPTY = { version: Version.empty(), oldestGeneration: 1, nextFileId: 1 };
/** When they run out the last table takes the rest. */
const FILE_IDS_PER_FLUSH = 64;

function flush(
  fs: FileSystem,
  directory: string,
  generation: number,
  arena: SharedArrayBuffer,
  firstFileId: number,
  options: EngineOptions,
  hashSeed: HashSeed,
): BackgroundResult {
  const job = {
    type: 'flush',
    directory,
    arena,
    generation,
    fileIds: Array.from({ length: FILE_IDS_PER_FLUSH }, (_, i) => firstFileId + i),
    targetFileBytes: options.targetFileBytes,
    table: tableOptions(options, false, hashSeed),
    // Nothing counts as expired: a later compaction will see to it.
    nowMs: 0,
  } as const;
  return runBackgroundJob(fs, { job, control: createControl() });
}

function replay(
  fs: FileSystem,
  directory: string,
  generation: number,
  options: EngineOptions,
  hashSeed: HashSeed,
  report: (message: string) => void,
): RecoveredMemtable {
  let bytes = options.memtableBytes;
  for (;;) {
    const memory = createArena(bytes, hashSeed);
    const memtable = new Memtable(memory);
    memtable.reset(generation);
    let full = false;
    const { tornBytes } = replayLog(
      fs,
      directory,
      generation,
      (log, keyStart, keyEnd, recordStart, recordEnd) => {
        full ||= memtable.insert(log, keyStart, keyEnd, log, recordStart, recordEnd) === InsertStatus.full;
      },
    );
    if (tornBytes > 0) report(`cut ${tornBytes} bytes that were never acknowledged from log ${generation}`);
    if (!full) {
      memtable.publish();
      return { generation, memory };
    }
    // Written with a larger memtable than today's options allow.
    bytes *= 2;
  }
}

function numbersOnDisk(fs: FileSystem, directory: string, kind: FileKind): number[] {
  return fs.listSync(directory).flatMap((name) => {
    const file = parseFileName(name);
    return file?.kind === kind ? [file.number] : [];
  });
}

/**
 * Removes temporary and orphan tables, and logs whose memtables are in tables. They do no harm but take room:
 * what cannot be removed now the next start tries again.
 */
function removeLeftovers(
  fs: FileSystem,
  directory: string,
  liveTables: ReadonlySet<number>,
  oldestGeneration: number,
  report: (message: string) => void,
): void {
  try {
    for (const name of fs.listSync(directory)) {
      const file = parseFileName(name);
      const leftover =
        file?.kind === 'temporary' ||
        (file?.kind === 'table' && !liveTables.has(file.number)) ||
        (file?.kind === 'log' && file.number < oldestGeneration);
      if (leftover) fs.removeSync(`${directory}/${name}`);
    }
  } catch (error) {
    report(`what a crash has left over could not be removed: ${(error as Error).message}`);
  }
}
