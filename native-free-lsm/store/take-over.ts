import { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import type { DirectoryLock, FileSystem } from '../fs/file-system.ts';
import { makeDurable } from '../log/log-reader.ts';
import { type EngineOptions, tableOptions } from '../options.ts';
import { createControl, GENERATION_SLOTS } from '../shared/control.ts';
import type { OpenedTable, TableHandle } from '../sstable/table-handle.ts';
import { runBackgroundJob } from '../threads/jobs.ts';
import { parseFileName } from '../version/file-names.ts';
import { Manifest } from '../version/manifest.ts';
import type { ManifestState } from '../version/manifest-reader.ts';
import type { Version } from '../version/version.ts';
import type { FolderState } from './read-state.ts';
import { type RecoveredLog, type RecoveredMemtable, recoverLogs } from './recovered-log.ts';
import { FILE_IDS_PER_SOURCE, takeBackTables } from './returned-tables.ts';

/**
 * With the active memtable, the next one, and one that is not free yet, they stay within the places for generations.
 */
const MAX_RECOVERED_MEMTABLES = GENERATION_SLOTS - 4;

/** A directory, with everything in memory that a read needs. */
export interface ServableState extends FolderState<OpenedTable, RecoveredLog> {
  /** The seed of all hashes of keys, in the tables that exist, if there are any, and in later ones. */
  readonly hashSeed: HashSeed;
}

interface OpeningContext {
  readonly fs: FileSystem;
  readonly directory: string;
  readonly options: EngineOptions;
  readonly report: (message: string) => void;
  readonly hashSeed: HashSeed;
}

export interface OpeningHold {
  readonly reason: LsmError;
  /**
   * Does what the opening could not.
   * @throws LsmError while it still cannot
   */
  release(): void;
}

/** A directory that now belongs to this engine, to be read and, unless it is held, written. */
export interface TakenOver {
  readonly manifest: Manifest;
  readonly version: Version;
  readonly handles: readonly OpenedTable[];
  readonly oldestGeneration: number;
  readonly memtables: readonly RecoveredMemtable[];
  /** The generation of the first log of this run. */
  readonly nextGeneration: number;
  readonly nextFileId: number;
  /** Set while the disk takes no writes: what was found is served, and nothing may be written before `release`. */
  readonly hold?: OpeningHold;
  readonly hashSeed: HashSeed;
}

/**
 * Makes a directory this engine's own. It makes durable what is served from logs and cuts their torn tails, removes
 * what a crash has left, takes back tables that can be read again, puts logs into tables for which there is no place,
 * and begins a manifest. When the disk takes none of this, what is there is served unchanged.
 * @param lock held since before `state` was read
 * @throws LsmError IO_ERROR, and for a directory that holds nothing yet NO_SPACE, READ_ONLY
 */
export function takeOver(context: OpeningContext, lock: DirectoryLock, state: ServableState): TakenOver {
  const { contents, found, hashSeed, logs, manifest: previous, tables: handles } = state;
  const { directory, fs, options, report } = context;
  reportTails(state, report);
  const generations = logs.map(({ generation }) => generation);
  const nextGeneration = Math.max(found.oldestGeneration, ...generations.map((generation) => generation + 1));
  const begunGeneration = Math.max(found.begunGeneration, ...generations);
  // A crash may have left tables, finished or not, whose edit never reached the manifest. Their numbers are not used
  // again, so that nothing that is written from here on meets them.
  const idsOnDisk = [...contents.tables, ...contents.unfinishedTables];
  const firstFileId = Math.max(found.nextFileId, ...idsOnDisk.map((id) => id + 1));
  const hold = holdOf(fs, directory, lock, logs);
  const known = new Set(handles.map(({ metadata }) => metadata.id));
  // Before anything is written, because it may need the room.
  if (hold === undefined) removeLeftovers(context, known, found.oldestGeneration);
  const base = { handles, nextGeneration, hashSeed };
  try {
    if (hold !== undefined) throw hold.reason;
    // Below the content of logs, which is newer.
    const numbered = { ...found, nextFileId: firstFileId };
    const returned = takeBackTables(fs, directory, options, hashSeed, numbered, handles, report);
    const flushed = flushEarliest(context, logs, { ...found, ...returned });
    const { version, oldestGeneration, nextFileId } = flushed;
    const taken = { version, oldestGeneration, nextFileId, begunGeneration };
    const manifest = Manifest.create(fs, directory, taken, options.maxManifestBytes);
    const memtables = logs.slice(-MAX_RECOVERED_MEMTABLES);
    if (version === found.version) return { ...base, ...taken, manifest, memtables };
    const inForce = new Set(version.tables.map(({ id }) => id));
    removeLeftovers(context, inForce, oldestGeneration);
    const kept = [...handles, ...returned.tables, ...flushed.tables].filter(({ metadata }) =>
      inForce.has(metadata.id),
    );
    return { ...base, handles: kept, ...taken, manifest, memtables };
  } catch (cause) {
    // What is there is served anyway. Tables that were flushed are left over; their logs are still there.
    if (previous === undefined || !(cause instanceof LsmError) || !isRefusal(cause)) throw cause;
    if (hold === undefined) removeLeftovers(context, known, found.oldestGeneration);
    report(`${cause.message}. Until then nothing is written and all that is there is served`);
    const memtables = folded(context, logs);
    const { version } = found;
    const sources = logs.length + version.quarantine.length;
    const nextFileId = firstFileId + sources * FILE_IDS_PER_SOURCE;
    const taken = { ...found, nextFileId, begunGeneration };
    const manifest = Manifest.onHold(fs, directory, previous, taken, options.maxManifestBytes);
    const oldestGeneration = memtables[0]?.generation ?? found.oldestGeneration;
    return { ...base, version, oldestGeneration, nextFileId, manifest, memtables, ...(hold && { hold }) };
  }
}

/** Reports the torn tails of appends that a crash interrupted. */
function reportTails({ logs, manifest }: ServableState, report: (message: string) => void): void {
  if (manifest !== undefined && manifest.tornBytes > 0)
    report(`passed over ${manifest.tornBytes} bytes at the end of ${manifest.path} that never took effect`);
  for (const { generation, replay } of logs.flatMap((recovered) => recovered.logs))
    if (replay.tornBytes > 0)
      report(`cut ${replay.tornBytes} bytes that were never acknowledged from log ${generation}`);
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
  recovered: readonly RecoveredLog[],
): OpeningHold | undefined {
  const logs = recovered.flatMap(({ logs }) => logs);
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

interface Flushed extends Omit<ManifestState, 'begunGeneration'> {
  readonly tables: readonly TableHandle[];
}

/** Every start that a crash follows leaves a log. Those for which there is no place are put into tables here. */
function flushEarliest(
  context: OpeningContext,
  logs: readonly RecoveredLog[],
  found: Omit<ManifestState, 'begunGeneration'>,
): Flushed {
  let { version, oldestGeneration, nextFileId } = found;
  const tables: TableHandle[] = [];
  for (const { generation, memory } of logs.slice(0, -MAX_RECOVERED_MEMTABLES)) {
    const added = flush(context, generation, memory, nextFileId);
    nextFileId += FILE_IDS_PER_SOURCE;
    version = version.apply({ added: added.map(({ metadata }) => metadata), removed: [] });
    tables.push(...added);
    oldestGeneration = generation + 1;
  }
  return { version, oldestGeneration, nextFileId, tables };
}

/** When no table can be written, the earliest logs share a memtable, which has the number of the last of them. */
function folded(
  { directory, fs, hashSeed, options }: OpeningContext,
  logs: readonly RecoveredLog[],
): readonly RecoveredLog[] {
  const excess = logs.length - MAX_RECOVERED_MEMTABLES;
  if (excess <= 0) return logs;
  const shared = logs.slice(0, excess + 1).map(({ generation }) => generation);
  const first = recoverLogs(fs, directory, shared, options.memtableBytes, hashSeed, false);
  return [first, ...logs.slice(excess + 1)];
}

function flush(
  { directory, fs, hashSeed, options }: OpeningContext,
  generation: number,
  arena: SharedArrayBuffer,
  firstFileId: number,
): readonly TableHandle[] {
  const job = {
    type: 'flush',
    directory,
    arena,
    generation,
    findsSlots: false,
    fileIds: Array.from({ length: FILE_IDS_PER_SOURCE }, (_, i) => firstFileId + i),
    targetFileBytes: options.targetFileBytes,
    table: tableOptions(options, false, hashSeed),
    // Nothing counts as expired: a later compaction decides about that.
    nowMs: 0,
  } as const;
  return runBackgroundJob(fs, { job, control: createControl(), memory: [] }).tables;
}

/**
 * Removes temporary and orphan tables, and logs whose memtables are in tables. They do no harm but take room; the next
 * start tries again to remove what cannot be removed now.
 */
function removeLeftovers(
  { directory, fs, report }: OpeningContext,
  liveTables: ReadonlySet<number>,
  oldestGeneration: number,
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
