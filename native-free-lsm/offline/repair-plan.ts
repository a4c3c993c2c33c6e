/**
 * What a repair would do to a directory, and what would be lost by it. It is found by reading every byte, and nothing
 * is changed; `offline/repair.ts` carries it out.
 *
 * When the manifest can be read, what is damaged is replaced in its place: a table by one with its whole blocks, in the
 * same level; logs up to the last damaged one by tables in level 0, in their order. When the manifest cannot be read,
 * nothing says which tables are in force or which of two is the upper one, and neither ids nor times of tables decide
 * it: a compaction's output has a larger id than a newer flush, and tables of late writes overlap in time. So all
 * tables that overlap, and all logs, are merged by the versions of their records, keeping the newest of each key, into
 * tables that do not overlap. Reads are right then, whatever the order was.
 */
import { LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { visitPuts } from '../log/batch-puts.ts';
import {
  BatchKind,
  FILE_HEADER_BYTES,
  FileMagic,
  logFileName,
  lostLogs,
  missingLogs,
} from '../log/log-format.ts';
import { differingProperty } from '../sstable/properties.ts';
import { isLastKey, type TableMetadata, tableFileName } from '../sstable/table-metadata.ts';
import { isNewerOrphan } from '../store/folder-checks.ts';
import { manifestFileName } from '../version/file-names.ts';
import type { FolderContents } from '../version/folder-contents.ts';
import type { ManifestState } from '../version/manifest-reader.ts';
import { type Damage, damageOf, listFolder, pathOf } from './folder.ts';
import { openBatches, surveyLog } from './log-survey.ts';
import { manifestState, surveyManifest } from './manifest-survey.ts';
import { misplacedTables } from './misplaced-tables.ts';
import { planSalvage, type TableSalvage } from './salvage.ts';
import type { TableSurvey } from './table-survey.ts';
import { orphanTables, type Progress } from './verify.ts';
import { verifyTable } from './verify-table.ts';

/** Something that the directory no longer has after the repair. */
export interface Drop {
  readonly file: string;
  /** A sentence: which bytes, and which keys or writes were or may have been in them. */
  readonly what: string;
  readonly lengthBytes: number;
  /** Whether records may be lost with it. If not, it is something that nobody reads, such as a filter. */
  readonly mayHoldRecords: boolean;
}

/** What happens to the manifest: it stays, another whole one is put in force, or it is made again. */
type ManifestFate = 'kept' | 'found' | 'rebuilt';

interface DamagedTable {
  /** What the manifest says; undefined when it says nothing. */
  readonly listed: TableMetadata | undefined;
  readonly id: number;
  readonly salvage: TableSalvage;
}

/** What a repair would do, or has done, and what is lost by it. */
export interface RepairPlan {
  readonly directory: string;
  readonly contents: FolderContents;
  readonly damages: readonly Damage[];
  readonly drops: readonly Drop[];
  /** Sentences about what is done, in order; empty: there is nothing to repair. */
  readonly steps: readonly string[];
  readonly manifest: ManifestFate;
  /** What is known of the directory; empty when the manifest is rebuilt. */
  readonly state: ManifestState | undefined;
  readonly damagedTables: readonly DamagedTable[];
  /** Tables whose files have other names: for the id of each table, the number of its file. */
  readonly misplaced: ReadonlyMap<number, number>;
  /** Metadata of the tables that verify, by id: of those in force or, when the manifest is rebuilt, of all. */
  readonly wholeTables: ReadonlyMap<number, TableMetadata>;
  /** Logs that are put into tables, in ascending order. */
  readonly logs: readonly number[];
  /** The oldest generation whose log is left as it is. */
  readonly oldestGeneration: number;
  /**
   * Whether records are or may be missing afterwards: because of known drops, or because the manifest was lost. Without
   * it, nobody can notice that a table is missing as well.
   */
  readonly mayLackRecords: boolean;
}

/** One step of the generator takes some milliseconds. */
const STEP_BYTES = 4 * 1024 * 1024;

/**
 * @throws LsmError UNSUPPORTED_FORMAT when a newer version wrote a file; IO_ERROR: a repair of what cannot be read now
 *   would drop what may be readable tomorrow
 */
export function* planRepair(fs: FileSystem, directory: string): Generator<Progress, RepairPlan, void> {
  return yield* new Planner(fs, listFolder(fs, directory)).run();
}

class Planner {
  readonly #fs: FileSystem;
  readonly #contents: FolderContents;
  readonly #damages: Damage[] = [];
  readonly #drops: Drop[] = [];
  readonly #steps: string[] = [];
  readonly #damagedTables: DamagedTable[] = [];
  readonly #wholeTables = new Map<number, TableMetadata>();
  #misplaced: ReadonlyMap<number, number> = new Map();
  /** The last log of which another one says that it was begun. */
  #continuedTo = 0;
  #totalBytes = 0;
  #doneBytes = 0;
  #shownBytes = 0;

  constructor(fs: FileSystem, contents: FolderContents) {
    this.#fs = fs;
    this.#contents = contents;
  }

  *run(): Generator<Progress, RepairPlan, void> {
    const { directory, hasRepairMark, logs, tables } = this.#contents;
    for (const id of tables) this.#totalBytes += this.#fs.sizeSync(pathOf.table(directory, id));
    const found = this.#manifest();
    const { manifest } = found;
    const state = found.state;
    const listed = new Map(state?.version.tables.map((table) => [table.id, table]));
    if (manifest !== 'rebuilt')
      this.#misplaced = misplacedTables(this.#fs, directory, listed.values(), tables);
    for (const id of manifest === 'rebuilt' ? tables : listed.keys()) yield* this.#table(id, listed.get(id));
    const damagedLogs = logs.filter(
      (g) => g >= (state?.oldestGeneration ?? 0) && this.#log(g, state?.begunGeneration ?? 0),
    );
    const isRebuilt = manifest === 'rebuilt';
    const missing = state === undefined ? [] : this.#missingLogs(state);
    const lastBad = Math.max(0, ...damagedLogs, ...missing);
    const oldest = state?.oldestGeneration ?? 0;
    const replaced = logs.filter((g) => isRebuilt || (g >= oldest && g <= lastBad));
    const newest = Math.max(0, ...logs);
    const quarantine = isRebuilt ? [] : (state?.version.quarantine ?? []);
    if (isRebuilt) {
      this.#steps.push(
        `merge ${tables.length} tables and ${logs.length} logs by the versions of their records, where they overlap, and write a new manifest`,
      );
    } else if (manifest === 'found') {
      this.#steps.push('write CURRENT and a new manifest from the one that is whole');
    } else if (this.#damagedTables.length + quarantine.length + this.#misplaced.size + lastBad > 0) {
      this.#steps.push('write a new manifest');
    }
    if (!isRebuilt && replaced.length > 0) {
      this.#steps.push(`put ${replaced.map(logFileName).join(', ')} into tables of level 0`);
    }
    for (const { id } of this.#damagedTables) {
      this.#steps.push(`put what can be read of ${tableFileName(id)} into a new table`);
    }
    for (const [id, file] of this.#misplaced) {
      this.#steps.push(`put ${tableFileName(id)} back in its place: it is the file ${tableFileName(file)}`);
    }
    for (const { id } of quarantine) {
      const what = `what can be read of ${tableFileName(id)}, which was set aside as damaged,`;
      this.#steps.push(`merge ${what} into the others by the versions of its records`);
    }
    if (hasRepairMark) this.#steps.push('finish the repair that was interrupted');
    if (this.#steps.length > 0) this.#steps.push('keep every file that is replaced or not in force in lost/');
    return {
      directory,
      contents: this.#contents,
      damages: this.#damages,
      drops: this.#drops,
      steps: this.#steps,
      manifest,
      state,
      damagedTables: this.#damagedTables,
      misplaced: this.#misplaced,
      wholeTables: this.#wholeTables,
      logs: replaced,
      oldestGeneration: isRebuilt ? newest + 1 : Math.max(oldest, lastBad + 1),
      mayLackRecords: isRebuilt || this.#drops.some(({ mayHoldRecords }) => mayHoldRecords),
    };
  }

  #manifest(): { manifest: ManifestFate; state: ManifestState | undefined } {
    const { directory, logs, manifests, tables } = this.#contents;
    const survey = surveyManifest(this.#fs, this.#contents);
    for (const damage of survey.damages) this.#add(damage);
    if (survey.state !== undefined) {
      if (this.#isWhole(survey.state)) return { manifest: 'kept', state: survey.state };
      this.#steps.push('set the manifest aside: the tables and logs it names are gone, and others are there');
      return { manifest: 'rebuilt', state: undefined };
    }
    // The one with the largest number is in force, or is a copy of the state of the one that is.
    const newest = manifests.at(-1);
    const state = newest === undefined ? undefined : manifestState(this.#fs, directory, newest);
    if (newest !== undefined && state !== undefined && this.#isWhole(state)) {
      this.#steps.push(`take ${manifestFileName(newest)}, which is whole, for the manifest in force`);
      return { manifest: 'found', state };
    }
    if (logs.length + tables.length + manifests.length === 0 && !this.#contents.hasCurrent) {
      return { manifest: 'kept', state: undefined };
    }
    const what = 'the manifest cannot be read: a table that is missing as well would not be noticed';
    const file = newest === undefined ? pathOf.current(directory) : pathOf.manifest(directory, newest);
    this.#drops.push({ file, what, lengthBytes: 0, mayHoldRecords: true });
    return { manifest: 'rebuilt', state: undefined };
  }

  /**
   * Whether everything that a manifest names is there, or nothing else that could have replaced it. A manifest whose
   * last edits are lost names tables that were compacted away and logs that were flushed, but not what they became.
   */
  #isWhole({ oldestGeneration, version }: ManifestState): boolean {
    const { directory, logs, tables } = this.#contents;
    const orphans = orphanTables(tables, version);
    if (orphans.length === 0) return true;
    const present = new Set(tables);
    if (version.tables.some(({ id }) => !present.has(id))) return false;
    const live = logs.filter((generation) => generation >= oldestGeneration);
    if (live.length > 0) return missingLogs(oldestGeneration, live).length === 0;
    return !orphans.some((id) => isNewerOrphan(this.#fs, directory, id, version.largestTimestamp));
  }

  #missingLogs({ begunGeneration, oldestGeneration }: ManifestState): number[] {
    const { directory, logs } = this.#contents;
    const live = logs.filter((generation) => generation >= oldestGeneration);
    const missing = lostLogs(oldestGeneration, live, Math.max(begunGeneration, this.#continuedTo));
    for (const generation of missing) {
      const file = pathOf.log(directory, generation);
      this.#damages.push({ code: 'CORRUPTION', file, offset: 0, message: `${file} is missing` });
      const what = `${logFileName(generation)} is missing, with all its writes`;
      this.#drops.push({ file, what, lengthBytes: 0, mayHoldRecords: true });
    }
    return missing;
  }

  *#table(id: number, listed: TableMetadata | undefined): Generator<Progress, void, void> {
    const { directory } = this.#contents;
    const file = this.#misplaced.get(id);
    if (file !== undefined) {
      const named = pathOf.table(directory, id);
      const message = `${named} is another table than the manifest lists: that one is ${tableFileName(file)}`;
      this.#add({ code: 'CORRUPTION', file: named, offset: null, message });
    }
    const path = pathOf.table(directory, file ?? id);
    let isDamaged = false;
    const steps = verifyTable(this.#fs, path, listed, (damage) => {
      isDamaged = true;
      this.#add(damage);
    });
    let survey: TableSurvey | undefined;
    while (survey === undefined) {
      const { done, value } = steps.next();
      if (done === true) survey = value;
      else {
        this.#doneBytes += value;
        if (this.#doneBytes - this.#shownBytes < STEP_BYTES) continue;
        this.#shownBytes = this.#doneBytes;
        yield { doneBytes: this.#doneBytes, totalBytes: this.#totalBytes };
      }
    }
    const { properties } = survey;
    if (!isDamaged && properties !== undefined) {
      this.#wholeTables.set(id, listed ?? { id, level: 0, fileSizeBytes: survey.sizeBytes, ...properties });
      return;
    }
    // Blocks of another table with this name do not belong to this one, even if their keys would fit.
    const isAnother =
      listed !== undefined && properties !== undefined && differingProperty(properties, listed) !== undefined;
    const salvage = planSalvage(this.#fs, isAnother ? { ...survey, sizeBytes: 0 } : survey, listed);
    this.#damagedTables.push({ listed, id, salvage });
    const known = listed?.entries ?? properties?.entries;
    const isComplete = known === salvage.entries;
    for (const { offset, lengthBytes, above, upTo } of salvage.losses) {
      const keys = describeKeys(above ?? listed?.smallestKey, upTo ?? listed?.largestKey);
      const what = `${lengthBytes} bytes at byte ${offset} of ${tableFileName(id)}: ${isComplete ? 'no entry was in them' : `${keys}, or older versions of them come back`}`;
      this.#drops.push({ file: path, what, lengthBytes, mayHoldRecords: !isComplete });
    }
    this.#noteLostRanges(path, id, salvage, listed ?? properties);
    if (isComplete || salvage.losses.length === 0) return;
    const lost = known === undefined ? 'an unknown number' : `${known - salvage.entries}`;
    const what = `of ${tableFileName(id)} ${salvage.entries} entries are kept, ${lost} are lost`;
    this.#drops.push({ file: path, what, lengthBytes: 0, mayHoldRecords: true });
  }

  /** @param known what is known of the table */
  #noteLostRanges(
    file: string,
    id: number,
    { ranges }: TableSalvage,
    known: Pick<TableMetadata, 'rangeTombstones'> | undefined,
  ): void {
    if (ranges !== null || (known !== undefined && known.rangeTombstones === undefined)) return;
    const count = known?.rangeTombstones;
    const lost = count === undefined ? 'range tombstones, if there were any' : `${count} range tombstones`;
    const what = `the ${lost} of ${tableFileName(id)}: keys that they have deleted may come back`;
    this.#drops.push({ file, what, lengthBytes: 0, mayHoldRecords: true });
  }

  /** Whether the log is damaged, so that an opening would refuse it. A torn tail is no damage. */
  #log(generation: number, begunGeneration: number): boolean {
    const path = pathOf.log(this.#contents.directory, generation);
    const isBegun = generation <= Math.max(begunGeneration, this.#continuedTo);
    const survey = surveyLog(this.#fs, path, FileMagic.log, generation, isBegun);
    let isDamaged = survey.damages.length > 0;
    for (const damage of survey.damages) this.#add(damage);
    if (survey.isContinued) this.#continuedTo = Math.max(this.#continuedTo, generation + 1);
    const data = survey.batches.filter(({ kind }) => kind === BatchKind.data);
    using log = openBatches(this.#fs, path, generation);
    for (const batch of data) {
      try {
        if (log.reader.moveTo(batch.offset)) visitPuts(log.reader, path, () => undefined);
      } catch (error) {
        isDamaged = true;
        this.#add(damageOf(error, path));
        const what = `the batch at byte ${batch.offset} of ${logFileName(generation)}, from its first operation that makes no sense on`;
        this.#drops.push({ file: path, what, lengthBytes: batch.lengthBytes, mayHoldRecords: true });
      }
    }
    if (!isDamaged) return false;
    for (const { offset, lengthBytes, isTorn } of survey.gaps) {
      const before = data.filter((batch) => batch.offset < offset).length;
      const what = `${lengthBytes} bytes at byte ${offset} of ${logFileName(generation)}, between ${before} batches before and ${data.length - before} behind, which are kept`;
      // What was never known to be synced may never have been acknowledged. Without a header nothing is known.
      const isKnown = survey.damages.every(({ offset: place }) => (place ?? 0) >= FILE_HEADER_BYTES);
      this.#drops.push({ file: path, what, lengthBytes, mayHoldRecords: !isTorn || !isKnown });
    }
    return true;
  }

  #add(damage: Damage): void {
    if (damage.code !== 'CORRUPTION') {
      throw new LsmError(damage.code, `nothing was repaired: ${damage.message}`, { file: damage.file });
    }
    this.#damages.push(damage);
  }
}

function describeKeys(above: Uint8Array | undefined, end: Uint8Array | undefined): string {
  const upTo = end !== undefined && isLastKey(end) ? undefined : end;
  if (above === undefined && upTo === undefined) return 'any key may have been in them';
  const from = above === undefined ? 'the first' : showKey(above);
  return `keys from ${from} to ${upTo === undefined ? 'the last' : showKey(upTo)} may be gone`;
}

/** Printable ASCII unchanged, anything else in hexadecimal. */
function showKey(key: Uint8Array): string {
  const text = Buffer.from(key).toString('latin1');
  return /^[!-~]+$/.test(text) ? text : `0x${Buffer.from(key).toString('hex')}`;
}
