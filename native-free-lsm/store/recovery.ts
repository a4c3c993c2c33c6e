import { join } from 'node:path';
import { isDamage } from '../compaction/sound-iterator.ts';
import { corruption, LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { DirectoryLock, FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { type LogReplay, makeDurable, type PutVisitor, replayLog } from '../log/log-reader.ts';
import { createArena } from '../memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../memtable/memtable.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import { createControl, GENERATION_SLOTS } from '../shared/control.ts';
import { hashSeedOf, isAnotherTable, loadTable } from '../sstable/load-table.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { unreadableTable } from '../sstable/unreadable-table.ts';
import { runBackgroundJob } from '../threads/jobs.ts';
import { type FileKind, LOCK_FILE_NAME, parseFileName } from '../version/file-names.ts';
import { Manifest } from '../version/manifest.ts';
import type { ManifestState } from '../version/manifest-reader.ts';
import { Version } from '../version/version.ts';
import {
  refuseForeign,
  refuseHalfRepaired,
  refuseLostEdits,
  refuseLostLogs,
  refuseMissing,
} from './folder-checks.ts';
import { FILE_IDS_PER_SOURCE, takeBackTables } from './returned-tables.ts';

interface RecoveredMemtable {
  readonly generation: number;
  readonly memory: SharedArrayBuffer;
}

export interface OpeningHold {
  readonly reason: LsmError;
  /**
   * Does what the opening could not.
   * @throws LsmError while it still cannot
   */
  release(): void;
}

/** What is on disk, ready to serve: the engine's state as of its last acknowledged write. */
export interface RecoveredState {
  readonly lock: DirectoryLock;
  readonly manifest: Manifest;
  readonly version: Version;
  readonly handles: readonly TableHandle[];
  readonly oldestGeneration: number;
  readonly memtables: readonly RecoveredMemtable[];
  /** The generation of the first log of this run. */
  readonly nextGeneration: number;
  readonly nextFileId: number;
  /** Set while the disk takes no writes: what was found is served, and nothing may be written before `release`. */
  readonly hold?: OpeningHold;
  /** The seed of all hashes of keys, in the tables that exist, if there are any, and in later ones. */
  readonly hashSeed: HashSeed;
}

/**
 * Opens a directory: takes its lock, reads the manifest, loads the tables' indexes and filters, replays the logs, and
 * removes what a crash has left. Runs on the main thread before anything is served.
 * @throws LsmError LOCKED, FOREIGN_DIRECTORY, NOT_FOUND, CORRUPTION, UNSUPPORTED_FORMAT, IO_ERROR; then nothing is
 *   changed
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
    if (!options.createIfMissing) refuseMissing(fs, directory);
    if (!fs.existsSync(directory)) fs.makeDirectorySync(directory);
    const lock = fs.lockSync(`${directory}/${LOCK_FILE_NAME}`);
    try {
      refuseHalfRepaired(fs, directory);
      return { lock, ...recoverLocked(fs, directory, lock, options, report, drawHashSeed) };
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  } catch (error) {
    throw ioFailure('open', directory, error);
  }
}

function recoverLocked(
  fs: FileSystem,
  directory: string,
  lock: DirectoryLock,
  options: EngineOptions,
  report: (message: string) => void,
  drawHashSeed: () => HashSeed,
): Omit<RecoveredState, 'lock'> {
  const recovered = Manifest.recover(fs, directory);
  const found = recovered ?? EMPTY;
  const handles = found.version.tables.map((metadata) => loadOrSetAside(fs, directory, metadata, report));
  const hashSeed = hashSeedOf(handles) ?? drawHashSeed();
  const logs = numbersOnDisk(fs, directory, 'log').sort((a, b) => a - b);
  const live = logs.filter((generation) => generation >= found.oldestGeneration);
  const tableIds = numbersOnDisk(fs, directory, 'table');
  if (recovered !== undefined) {
    const { path, tornBytes } = recovered;
    refuseLostEdits(fs, directory, recovered, live, tableIds);
    refuseLostLogs(directory, recovered.oldestGeneration, live, recovered.begunGeneration);
    if (tornBytes > 0) report(`passed over ${tornBytes} bytes at the end of ${path} that never took effect`);
  }
  const nextGeneration = Math.max(found.oldestGeneration, ...live.map((generation) => generation + 1));
  // A crash may have left tables, finished or not, whose edit never reached the manifest. Their numbers are not used
  // again, so that nothing that is written from here on meets them.
  const idsOnDisk = [...tableIds, ...numbersOnDisk(fs, directory, 'temporary')];
  const firstFileId = Math.max(found.nextFileId, ...idsOnDisk.map((id) => id + 1));
  const begunBefore = found.begunGeneration;
  const replayed = live.map((generation) =>
    replay(fs, directory, [generation], options, hashSeed, begunBefore),
  );
  for (const { logs } of replayed)
    for (const { generation, replay: log } of logs)
      if (log.tornBytes > 0)
        report(`cut ${log.tornBytes} bytes that were never acknowledged from log ${generation}`);
  const continued = replayed.flatMap(({ generation, logs }) =>
    logs.some(({ replay: log }) => log.continued) ? [generation + 1] : [],
  );
  refuseLostLogs(directory, found.oldestGeneration, live, Math.max(0, ...continued));
  const begunGeneration = Math.max(found.begunGeneration, ...live);
  const hold = holdOf(fs, directory, lock, replayed);
  const known = new Set(handles.map(({ metadata }) => metadata.id));
  // Before anything is written, because it may need the room.
  if (hold === undefined) removeLeftovers(fs, directory, known, found.oldestGeneration, report);
  const base = { handles, nextGeneration, hashSeed };
  try {
    if (hold !== undefined) throw hold.reason;
    // Below the content of logs, which is newer.
    const numbered = { ...found, nextFileId: firstFileId };
    const returned = takeBackTables(fs, directory, options, hashSeed, numbered, handles, report);
    const flushed = flushEarliest(fs, directory, replayed, { ...found, ...returned }, options, hashSeed);
    const { version, oldestGeneration, nextFileId } = flushed;
    const state = { version, oldestGeneration, nextFileId, begunGeneration };
    const manifest = Manifest.create(fs, directory, state, options.maxManifestBytes);
    const memtables = replayed.slice(-MAX_RECOVERED_MEMTABLES);
    if (version === found.version) return { ...base, ...state, manifest, memtables };
    const inForce = new Set(version.tables.map(({ id }) => id));
    removeLeftovers(fs, directory, inForce, oldestGeneration, report);
    const kept = [...handles, ...returned.tables, ...flushed.tables].filter(({ metadata }) =>
      inForce.has(metadata.id),
    );
    return { ...base, handles: kept, ...state, manifest, memtables };
  } catch (cause) {
    // What is there is served anyway. Tables that were flushed are left over; their logs are still there.
    if (recovered === undefined || !(cause instanceof LsmError) || !isRefusal(cause)) throw cause;
    if (hold === undefined) removeLeftovers(fs, directory, known, found.oldestGeneration, report);
    report(`${cause.message}. Until then nothing is written and all that is there is served`);
    const memtables = folded(fs, directory, replayed, options, hashSeed);
    const { version } = found;
    const sources = replayed.length + version.quarantine.length;
    const nextFileId = firstFileId + sources * FILE_IDS_PER_SOURCE;
    const state = { ...found, nextFileId, begunGeneration };
    const manifest = Manifest.onHold(fs, directory, recovered, state, options.maxManifestBytes);
    const oldestGeneration = memtables[0]?.generation ?? found.oldestGeneration;
    return { ...base, version, oldestGeneration, nextFileId, manifest, memtables, ...(hold && { hold }) };
  }
}

/** Whether nothing is wrong with what is there, but the disk is full or mounted read-only. */
function isRefusal({ code }: LsmError): boolean {
  return code === 'NO_SPACE' || code === 'READ_ONLY';
}

/**
 * Makes durable what is served from logs. When that is not possible, or others may read the directory too, nothing may
 * be written either.
 */
function holdOf(
  fs: FileSystem,
  directory: string,
  lock: DirectoryLock,
  replayed: readonly Replayed[],
): OpeningHold | undefined {
  const logs = replayed.flatMap(({ logs }) => logs);
  const release = (): void => {
    lock.makeExclusive();
    for (const { generation, replay } of logs) makeDurable(fs, directory, generation, replay);
  };
  if (!lock.isExclusive) {
    const message = `the file system of ${directory} is read-only: mount it for writing`;
    return { reason: new LsmError('READ_ONLY', message, { file: directory }), release };
  }
  try {
    release();
    return undefined;
  } catch (cause) {
    if (!(cause instanceof LsmError) || !isRefusal(cause)) throw cause;
    return { reason: cause, release };
  }
}

/** How often the disk may fail to read a table before the table counts as unreadable. */
const MAX_LOADS = 3;

/**
 * Damage in one table costs only its own content, so the engine is opened without it. A file that is missing, or has
 * the name of another one, is different: an operator who has lost or mixed up files must hear of it before anything is
 * built on what is left.
 */
function loadOrSetAside(
  fs: FileSystem,
  directory: string,
  metadata: TableMetadata,
  report: (message: string) => void,
): TableHandle {
  for (let load = 1; ; load++) {
    try {
      return loadTable(fs, directory, metadata);
    } catch (error) {
      if (!isDamage(error) || error.systemCode === 'ENOENT') throw error;
      if (error.code === 'IO_ERROR' && load < MAX_LOADS) continue;
      if (isAnotherTable(fs, directory, metadata)) throw error;
      const path = join(directory, tableFileName(metadata.id));
      const cause =
        error.code === 'CORRUPTION' ? error : corruption(path, 0, `it cannot be read (${error.message})`);
      report(`${cause.message}. Nothing of this table can be read; all else is served`);
      return unreadableTable(path, metadata, cause);
    }
  }
}

interface Flushed extends Omit<ManifestState, 'begunGeneration'> {
  readonly tables: readonly TableHandle[];
}

/** Every start that a crash follows leaves a log. Those for which there is no place are put into tables here. */
function flushEarliest(
  fs: FileSystem,
  directory: string,
  replayed: readonly Replayed[],
  found: ManifestState,
  options: EngineOptions,
  hashSeed: HashSeed,
): Flushed {
  let { version, oldestGeneration, nextFileId } = found;
  const tables: TableHandle[] = [];
  for (const { generation, memory } of replayed.slice(0, -MAX_RECOVERED_MEMTABLES)) {
    const added = flush(fs, directory, generation, memory, nextFileId, options, hashSeed);
    nextFileId += FILE_IDS_PER_SOURCE;
    version = version.apply({ added: added.map(({ metadata }) => metadata), removed: [] });
    tables.push(...added);
    oldestGeneration = generation + 1;
  }
  return { version, oldestGeneration, nextFileId, tables };
}

/** When no table can be written, the earliest logs share a memtable, which has the number of the last of them. */
function folded(
  fs: FileSystem,
  directory: string,
  replayed: readonly Replayed[],
  options: EngineOptions,
  hashSeed: HashSeed,
): Replayed[] {
  const excess = replayed.length - MAX_RECOVERED_MEMTABLES;
  if (excess <= 0) return [...replayed];
  const shared = replayed.slice(0, excess + 1).map(({ generation }) => generation);
  return [replay(fs, directory, shared, options, hashSeed), ...replayed.slice(excess + 1)];
}

/**
 * With the active memtable, the next one, and one that is not free yet, they stay within the places for generations.
 */
const MAX_RECOVERED_MEMTABLES = GENERATION_SLOTS - 4;
const EMPTY = { version: Version.empty(), oldestGeneration: 1, nextFileId: 1, begunGeneration: 0 };

function flush(
  fs: FileSystem,
  directory: string,
  generation: number,
  arena: SharedArrayBuffer,
  firstFileId: number,
  options: EngineOptions,
  hashSeed: HashSeed,
): readonly TableHandle[] {
  const job = {
    type: 'flush',
    directory,
    arena,
    generation,
    fileIds: Array.from({ length: FILE_IDS_PER_SOURCE }, (_, i) => firstFileId + i),
    targetFileBytes: options.targetFileBytes,
    table: tableOptions(options, false, hashSeed),
    // Nothing counts as expired: a later compaction decides about that.
    nowMs: 0,
  } as const;
  return runBackgroundJob(fs, { job, control: createControl() }).tables;
}

interface Replayed extends RecoveredMemtable {
  readonly logs: readonly { readonly generation: number; readonly replay: LogReplay }[];
}

/**
 * @param generations of logs that follow each other
 * @param begun logs up to this one are known to have been begun
 */
function replay(
  fs: FileSystem,
  directory: string,
  generations: readonly number[],
  options: EngineOptions,
  hashSeed: HashSeed,
  begun = 0,
): Replayed {
  const generation = generations[generations.length - 1];
  let bytes = options.memtableBytes;
  for (;;) {
    const memory = createArena(bytes, hashSeed);
    const memtable = new Memtable(memory);
    memtable.reset(generation);
    let full = false;
    const insert: PutVisitor = (log, keyStart, keyEnd, recordStart, recordEnd) => {
      full ||= memtable.insert(log, keyStart, keyEnd, log, recordStart, recordEnd) === InsertStatus.full;
    };
    const logs = generations.map((log) => ({
      generation: log,
      replay: replayLog(fs, directory, log, insert, log <= begun),
    }));
    if (!full) {
      memtable.publish();
      return { generation, memory, logs };
    }
    // Written with a larger memtable than today's options allow, or several logs in one.
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
 * Removes temporary and orphan tables, and logs whose memtables are in tables. They do no harm but take room; the next
 * start tries again to remove what cannot be removed now.
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
