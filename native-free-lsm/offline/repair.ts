/**
 * Makes a directory usable again whose opening is refused because of damage, by a plan that says what it drops
 * (offline/repair-plan.ts). It never runs by itself.
 *
 * Nothing is changed before everything that replaces it is durable: new tables get new ids, one new manifest puts them
 * in force, and only then do the replaced files go to lost/. A mark, REPAIRING, keeps engines out meanwhile, because a
 * start removes what the manifest does not name. A repair that is interrupted at any point is done again from what is
 * there then.
 */

import { join } from 'node:path';
import {
  booleanFault,
  fieldsFault,
  folderFault,
  functionFault,
  optionalFault,
  refuse,
} from '../arguments.ts';
import { drawHashSeed } from '../clock.ts';
import { KEEPS_ALL } from '../compaction/retention.ts';
import { withSlotVersions, writeTables } from '../compaction/table-output.ts';
import type { LsmError } from '../errors.ts';
import type { HashSeed } from '../format/hash.ts';
import { copyFileSync } from '../fs/copy-file.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { ioFailure } from '../fs/io-failure.ts';
import { NodeFileSystem } from '../fs/node-fs.ts';
import { KeyBound } from '../iterator/key-bound.ts';
import { MergingIterator } from '../iterator/merging-iterator.ts';
import type { RecordIterator } from '../iterator/record-iterator.ts';
import { logFileName } from '../log/log-format.ts';
import { completeOptions, type EngineOptions, tableOptions } from '../options.ts';
import { RangeFragments } from '../range-tombstones/fragments.ts';
import { DescriptorCache } from '../sstable/descriptor-cache.ts';
import { LevelIterator } from '../sstable/level-iterator.ts';
import { fingerprintSeedOf, hashSeedOf, loadTable } from '../sstable/load-table.ts';
import type { TableHandle } from '../sstable/table-handle.ts';
import { type TableMetadata, tableFileName, temporaryTableFileName } from '../sstable/table-metadata.ts';
import { type TableCursor, TableReader } from '../sstable/table-reader.ts';
import {
  CURRENT_FILE_NAME,
  LOCK_FILE_NAME,
  LOST_FOLDER_NAME,
  manifestFileName,
  REPAIR_MARK_NAME,
} from '../version/file-names.ts';
import { Manifest } from '../version/manifest.ts';
import { LEVELS, Version } from '../version/version.ts';
import { disjointRows, overlapGroups } from './disjoint-runs.ts';
import { lockForReading, pathOf, refuseOthers } from './folder.ts';
import { salvagedMemtable } from './layers.ts';
import { planRepair, type RepairPlan } from './repair-plan.ts';
import { SalvageIterator, type TableSalvage } from './salvage.ts';
import { orphanTables, type Progress } from './verify.ts';

const READAHEAD_BYTES = 256 * 1024;
const OPEN_FILES = 64;

/** How a folder is repaired. */
export interface RepairOptions {
  /** Left out: only the plan is made, and nothing is changed. */
  readonly apply?: boolean;
  /** Called with the plan before anything is changed; it may refuse by throwing. */
  readonly beforeApply?: (plan: RepairPlan) => Promise<void>;
  readonly onProgress?: (progress: Progress) => void;
  /** Called between two steps of some milliseconds each, so that the event loop can turn. */
  readonly pause?: () => Promise<void>;
  readonly fs?: FileSystem;
  /** The sizes of what is written. */
  readonly engine?: Partial<EngineOptions>;
}

export type { Drop, RepairPlan } from './repair-plan.ts';

/** See `repair` in index.ts. */
export async function repairFolder(directory: string, given: RepairOptions): Promise<RepairPlan> {
  refuse(optionsFault(directory, given));
  const {
    apply = false,
    beforeApply,
    fs = new NodeFileSystem(),
    onProgress = () => undefined,
    pause,
  } = given;
  const options = completeOptions(given.engine ?? {});
  // Before the lock, which would be a file in a folder of somebody else.
  refuseOthers(fs, directory);
  using _lock = apply ? fs.lockSync(join(directory, LOCK_FILE_NAME)) : lockForReading(fs, directory);
  const planning = planRepair(fs, directory);
  for (;;) {
    const { done, value } = planning.next();
    if (done === true) {
      if (apply && value.steps.length > 0) {
        await beforeApply?.(value);
        await applyRepair(fs, value, options, onProgress);
      }
      return value;
    }
    onProgress(value);
    await pause?.();
  }
}

const OPTIONS = ['apply', 'beforeApply', 'onProgress', 'pause', 'fs', 'engine'];

function optionsFault(directory: string, options: RepairOptions): LsmError | undefined {
  const fault = fieldsFault('options', options, OPTIONS);
  if (fault !== undefined) return fault;
  const { apply, beforeApply, fs = new NodeFileSystem(), onProgress, pause } = options;
  return (
    folderFault(fs, directory) ??
    optionalFault(booleanFault, 'options.apply', apply) ??
    optionalFault(functionFault, 'options.beforeApply', beforeApply) ??
    optionalFault(functionFault, 'options.onProgress', onProgress) ??
    optionalFault(functionFault, 'options.pause', pause)
  );
}

/**
 * Carries the plan out; the directory must have been locked since before the plan was made. Yields between its steps.
 * @throws LsmError NO_SPACE, IO_ERROR, POISONED: nothing is lost, and the same repair may be tried again
 */
async function applyRepair(
  fs: FileSystem,
  plan: RepairPlan,
  options: EngineOptions,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<void> {
  if (plan.steps.length === 0) return;
  try {
    await new Repair(fs, plan, options, onProgress).run();
  } catch (error) {
    throw ioFailure('repair', plan.directory, error);
  }
}

class Repair {
  readonly #fs: FileSystem;
  readonly #plan: RepairPlan;
  readonly #options: EngineOptions;
  readonly #onProgress: (progress: Progress) => void;
  readonly #directory: string;
  readonly #lost: string;
  /** Tables that this repair has written; those that are not in force at its end were intermediate steps. */
  readonly #written: number[] = [];
  /** For tables that keep everything but their number: the number of the byte-for-byte copy. */
  readonly #copies = new Map<number, number>();
  readonly #hashSeed: HashSeed;
  #nextId: number;
  #doneBytes = 0;

  constructor(
    fs: FileSystem,
    plan: RepairPlan,
    options: EngineOptions,
    onProgress: (progress: Progress) => void,
  ) {
    this.#fs = fs;
    this.#plan = plan;
    this.#options = {
      ...options,
      fingerprintSeed: options.fingerprintSeed ?? seedOfFolder(fs, plan, fingerprintSeedOf) ?? null,
    };
    this.#onProgress = onProgress;
    this.#directory = plan.directory;
    this.#lost = join(plan.directory, LOST_FOLDER_NAME);
    const used = [...plan.contents.tables, ...plan.damagedTables.map(({ id }) => id)];
    this.#hashSeed = seedOfFolder(fs, plan, hashSeedOf) ?? drawHashSeed();
    this.#nextId = Math.max(plan.state?.nextFileId ?? 1, ...used.map((id) => id + 1));
  }

  async run(): Promise<void> {
    const { contents, damagedTables, logs, manifest, misplaced, state: found } = this.#plan;
    const quarantine = found?.version.quarantine ?? [];
    this.#begin();
    const changesTables = damagedTables.length + misplaced.size + quarantine.length > 0;
    const changesManifest = manifest !== 'kept' || changesTables || logs.length > 0;
    const isMoved = this.#plan.oldestGeneration !== (this.#plan.state?.oldestGeneration ?? 1);
    if (changesManifest || isMoved) {
      const version = manifest === 'rebuilt' ? this.#rebuilt() : this.#mended();
      for (const number of contents.manifests) this.#keepCopy(manifestFileName(number));
      if (contents.hasCurrent) this.#keepCopy(CURRENT_FILE_NAME);
      const { oldestGeneration } = this.#plan;
      this.#fs.syncDirectorySync(this.#directory);
      // Only those that are left: the lost ones must not be missed for ever.
      const begunGeneration = Math.max(oldestGeneration - 1, ...contents.logs);
      const state = { version, oldestGeneration, nextFileId: this.#nextId, begunGeneration };
      await Manifest.create(this.#fs, this.#directory, state).close();
      this.#putAside(version);
    } else if (this.#plan.state !== undefined) {
      this.#putAside(this.#plan.state.version);
    }
    this.#fs.removeSync(join(this.#directory, REPAIR_MARK_NAME));
    this.#fs.syncDirectorySync(this.#directory);
  }

  #begin(): void {
    const mark = join(this.#directory, REPAIR_MARK_NAME);
    this.#fs.makeDirectorySync(this.#lost);
    if (!this.#fs.existsSync(mark)) this.#fs.closeSync(this.#fs.createSync(mark));
    // What an interrupted repair or job left unfinished; their names may be needed.
    for (const name of this.#plan.contents.temporary) this.#fs.removeSync(join(this.#directory, name));
    this.#fs.syncDirectorySync(this.#directory);
  }

  /** The version as it was, with what is damaged replaced in its place. */
  #mended(): Version {
    const { damagedTables, logs, misplaced, state } = this.#plan;
    const version = state?.version ?? Version.empty();
    const damaged = new Map(damagedTables.map((table) => [table.id, table.salvage]));
    const deepest = version.levels.findLastIndex((tables) => tables.length > 0);
    const mended = (table: TableMetadata, level: number): TableMetadata[] => {
      const salvage = damaged.get(table.id);
      if (salvage !== undefined) return this.#salvaged(salvage, level, level > 0 && level === deepest);
      return [misplaced.has(table.id) ? this.#renumbered(table) : table];
    };
    const added: TableMetadata[] = [];
    for (const [level, tables] of version.levels.entries()) {
      if (level > 0) for (const table of tables) added.push(...mended(table, level));
    }
    // In level 0 the larger id is newer, so tables above one that gets a new id get new ids as well.
    const oldestFirst = version.levels[0].toReversed();
    const first = oldestFirst.findIndex(({ id }) => damaged.has(id) || misplaced.has(id));
    for (const [i, table] of oldestFirst.entries()) {
      const isMoved = first >= 0 && i > first && !damaged.has(table.id);
      if (isMoved) added.push(this.#renumbered(table));
      else added.push(...mended(table, 0));
    }
    const aside = version.quarantine.flatMap((table) => mended(table, 0));
    const tables = this.#withAside(added, aside);
    for (const generation of logs) tables.push(...this.#flush(generation));
    return Version.empty().apply({ added: tables, removed: [] });
  }

  /**
   * Tables that were in quarantine have no place among the levels. They are merged, by the versions of their records,
   * with all tables that they overlap.
   */
  #withAside(inLevels: readonly TableMetadata[], aside: readonly TableMetadata[]): TableMetadata[] {
    if (aside.length === 0) return [...inLevels];
    const ids = new Set(aside.map(({ id }) => id));
    return overlapGroups([...inLevels, ...aside]).flatMap((group) => {
      if (!group.some(({ id }) => ids.has(id))) return group;
      return this.#merged(group).map((table) => ({ ...table, level: LEVELS - 1 }));
    });
  }

  /** Replaces one table by one; in level 0 its id decides its place in the order. */
  #salvaged(salvage: TableSalvage, level: number, isBottom: boolean): TableMetadata[] {
    using source = new SalvageIterator(this.#fs, salvage);
    return this.#write(source, level, isBottom, 1, Number.MAX_SAFE_INTEGER, salvage.ranges);
  }

  #renumbered(table: TableMetadata): TableMetadata {
    const id = this.#nextId++;
    const file = this.#plan.misplaced.get(table.id) ?? table.id;
    const temporary = join(this.#directory, temporaryTableFileName(id));
    copyFileSync(this.#fs, pathOf.table(this.#directory, file), temporary);
    this.#fs.renameSync(temporary, pathOf.table(this.#directory, id));
    this.#written.push(id);
    this.#copies.set(file, id);
    return { ...table, id };
  }

  #flush(generation: number): TableMetadata[] {
    const memtable = salvagedMemtable(this.#fs, this.#directory, generation);
    return this.#write(
      memtable.iterator(memtable.publishedOffset),
      0,
      false,
      64,
      this.#options.targetFileBytes,
      memtable.ranges(memtable.publishedOffset),
    );
  }

  /** Every table and log in one level that overlaps nowhere, with the newest version of each key. */
  #rebuilt(): Version {
    const { damagedTables, logs, wholeTables } = this.#plan;
    const sources = [...wholeTables.values()];
    for (const { salvage } of damagedTables) sources.push(...this.#salvaged(salvage, 0, false));
    for (const generation of logs) sources.push(...this.#flush(generation));
    const tables: TableMetadata[] = [];
    for (const group of overlapGroups(sources)) {
      if (group.length === 1) tables.push(group[0]);
      else tables.push(...this.#merged(group));
    }
    const added = tables.map((table) => ({ ...table, level: LEVELS - 1 }));
    return Version.empty().apply({ added, removed: [] });
  }

  #merged(tables: readonly TableMetadata[]): TableMetadata[] {
    const descriptors = new DescriptorCache(this.#fs, OPEN_FILES);
    try {
      const lists: RangeFragments[] = [];
      const rows = disjointRows(tables).map((row) => {
        const readers = row.map((table) => new TableReader(loadTable(this.#fs, this.#directory, table)));
        lists.push(...readers.map(({ ranges }) => ranges));
        const open = (reader: TableReader): TableCursor =>
          reader.cursor(this.#fs, descriptors, READAHEAD_BYTES, new KeyBound(), false);
        return new LevelIterator(readers, open, false);
      });
      const rawBytes = tables.reduce((sum, table) => sum + table.rawSizeBytes + 64 * table.entries, 0);
      const { targetFileBytes } = this.#options;
      const most = 4 + Math.ceil(rawBytes / targetFileBytes) * 2;
      const ranges = RangeFragments.merged(lists);
      return this.#write(new MergingIterator(rows), 1, true, most, targetFileBytes, ranges);
    } finally {
      descriptors.closeAll();
    }
  }

  #write(
    source: RecordIterator,
    outputLevel: number,
    isBottom: boolean,
    mostTables: number,
    targetFileBytes: number,
    ranges: RangeFragments | null,
  ): TableMetadata[] {
    const fileIds = Array.from({ length: mostTables }, () => this.#nextId++);
    const spec = {
      directory: this.#directory,
      outputLevel,
      fileIds,
      targetFileBytes,
      // Values may expire in them.
      table: withSlotVersions(tableOptions(this.#options, isBottom, this.#hashSeed), () => true),
      ...KEEPS_ALL,
    };
    const tables = writeTables(this.#fs, source, spec, () => false, undefined, ranges);
    for (const { fileSizeBytes, id } of tables) {
      this.#doneBytes += fileSizeBytes;
      this.#written.push(id);
    }
    this.#onProgress({ doneBytes: this.#doneBytes, totalBytes: this.#doneBytes });
    return tables;
  }

  /** Everything that a start would remove goes to lost/, except what this repair made as an intermediate step. */
  #putAside(version: Version): void {
    const { contents, oldestGeneration } = this.#plan;
    const fs = this.#fs;
    const inForce = new Set(version.tables.map(({ id }) => id));
    for (const id of this.#written) if (!inForce.has(id)) fs.removeSync(pathOf.table(this.#directory, id));
    for (const id of orphanTables(contents.tables, version)) {
      const copy = this.#copies.get(id);
      // A table that only got another number is there under that number, byte for byte.
      if (copy !== undefined && inForce.has(copy)) fs.removeSync(pathOf.table(this.#directory, id));
      else this.#keep(tableFileName(id));
    }
    for (const generation of contents.logs) {
      if (generation < oldestGeneration) this.#keep(logFileName(generation));
    }
    fs.syncDirectorySync(this.#directory);
  }

  /** A copy and not a rename: after a rename between two folders, a power loss may keep only the half that removes. */
  #keep(name: string): void {
    this.#keepCopy(name);
    this.#fs.removeSync(join(this.#directory, name));
  }

  #keepCopy(name: string): void {
    copyFileSync(this.#fs, join(this.#directory, name), this.#lostPath(name));
    this.#fs.syncDirectorySync(this.#lost);
  }

  /** A name that lost/ does not have yet: an earlier repair may have kept a file of the same name. */
  #lostPath(name: string): string {
    for (let copy = 0; ; copy++) {
      const path = join(this.#lost, copy === 0 ? name : `${name}.${copy}`);
      if (!this.#fs.existsSync(path)) return path;
    }
  }
}

/**
 * A seed that the directory's tables have, so that tables written by a repair have it as well; undefined: none has one.
 */
function seedOfFolder(
  fs: FileSystem,
  { directory, misplaced, wholeTables }: RepairPlan,
  seedOf: (handles: readonly TableHandle[]) => HashSeed | undefined,
): HashSeed | undefined {
  const newestFirst = [...wholeTables.values()].sort((a, b) => b.id - a.id);
  for (const table of newestFirst) {
    const id = misplaced.get(table.id) ?? table.id;
    const seed = seedOf([loadTable(fs, directory, { ...table, id })]);
    if (seed !== undefined) return seed;
  }
  return undefined;
}
