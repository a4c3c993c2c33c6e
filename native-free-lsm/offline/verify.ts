import { corruption, LsmError } from '../errors.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { visitPuts } from '../log/batch-puts.ts';
import { BatchKind, FileMagic } from '../log/log-format.ts';
import type { TableMetadata } from '../sstable/table-metadata.ts';
import { refuseLostEdits, refuseLostLogs } from '../store/folder-checks.ts';
import type { FolderContents } from '../version/folder-contents.ts';
import type { RecoveredManifest } from '../version/manifest-reader.ts';
import type { Version } from '../version/version.ts';
import { type Damage, damageOf, listFolder, pathOf } from './folder.ts';
import { Layers, memtableOf } from './layers.ts';
import { type LogSurvey, openBatches, surveyLog } from './log-survey.ts';
import { type ManifestSurvey, surveyManifest } from './manifest-survey.ts';
import { verifyTable } from './verify-table.ts';
import { checkVersionOrder } from './version-order.ts';

/** What reading every byte of a folder has shown: no `damages`, and it is whole. */
export interface VerifyReport {
  readonly damages: readonly Damage[];
  /** Sentences about what is no damage but worth knowing: torn tails, files left over. */
  readonly notes: readonly string[];
  readonly files: number;
  readonly tables: number;
  readonly logs: number;
  readonly entries: number;
  readonly sizeBytes: number;
  /** Whether versions were compared across layers: only if the manifest and every log could be read. */
  readonly isOrderChecked: boolean;
}

/** How far a check is, and of how much. The total may grow when more work is found. */
export interface Progress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Further damages in one file are counted and not listed. */
const MAX_PER_FILE = 100;
/** One step of the generator takes some milliseconds. */
const STEP_BYTES = 4 * 1024 * 1024;

/**
 * Reads every byte of a stopped engine's directory and compares everything that can be compared; changes nothing. Take
 * its lock first (`lockForReading`). Yields now and then, so that its caller can show how far it is.
 * @throws LsmError IO_ERROR when the directory cannot be listed
 */
export function* verifyFolder(fs: FileSystem, directory: string): Generator<Progress, VerifyReport, void> {
  const contents = listFolder(fs, directory);
  return yield* new FolderCheck(fs, contents).run();
}

class FolderCheck {
  readonly #fs: FileSystem;
  readonly #contents: FolderContents;
  readonly #damages: Damage[] = [];
  readonly #notes: string[] = [];
  readonly #perFile = new Map<string, number>();
  readonly #damagedTables = new Set<number>();
  #doneBytes = 0;
  #totalBytes = 0;
  #shownBytes = 0;
  #entries = 0;

  constructor(fs: FileSystem, contents: FolderContents) {
    this.#fs = fs;
    this.#contents = contents;
  }

  *run(): Generator<Progress, VerifyReport, void> {
    const { logs, tables } = this.#contents;
    const manifest = surveyManifest(this.#fs, this.#contents);
    manifest.damages.forEach((damage) => void this.#add(damage));
    const listed = manifest.state?.version.tables ?? [];
    const sizeBytes = this.#sizeOfAll();
    this.#totalBytes = sizeBytes;
    yield* this.#step(0);
    const areLogsWhole = yield* this.#logs(manifest);
    const ids = new Map(listed.map((table) => [table.id, table]));
    // Without a manifest any table may be in force; with one, tables that it does not name are never read.
    for (const id of manifest.state === undefined ? tables : ids.keys()) yield* this.#table(id, ids.get(id));
    this.#noteLeftovers(manifest);
    const isOrderChecked = manifest.state !== undefined && areLogsWhole;
    if (isOrderChecked) yield* this.#order(manifest.state.version, manifest.state.oldestGeneration);
    return {
      damages: this.#damages,
      notes: this.#notes,
      files: 2 + logs.length + tables.length,
      tables: manifest.state === undefined ? tables.length : listed.length,
      logs: logs.length,
      entries: this.#entries,
      sizeBytes,
      isOrderChecked,
    };
  }

  *#logs({ state }: ManifestSurvey): Generator<Progress, boolean, void> {
    const { directory, logs } = this.#contents;
    const oldest = state?.oldestGeneration ?? 0;
    let areWhole = true;
    let begun = state?.begunGeneration ?? 0;
    for (const generation of logs) {
      const path = pathOf.log(directory, generation);
      // Logs below the oldest generation are in tables, and never read again.
      if (generation >= oldest) {
        const { isWhole, isContinued } = this.#log(path, generation, generation <= begun);
        areWhole &&= isWhole;
        if (isContinued) begun = Math.max(begun, generation + 1);
      }
      yield* this.#step(this.#fs.sizeSync(path));
    }
    const live = logs.filter((generation) => generation >= oldest);
    if (state === undefined) return areWhole;
    this.#lost(state, live, begun);
    return areWhole;
  }

  #lost(state: RecoveredManifest, live: readonly number[], begun: number): void {
    const { directory } = this.#contents;
    try {
      refuseLostEdits(this.#fs, this.#contents, state, live);
      refuseLostLogs(directory, state.oldestGeneration, live, begun);
    } catch (error) {
      this.#add(damageOf(error, state.path));
    }
    if (state.tornBytes > 0)
      this.#notes.push(`${state.path} ends with ${state.tornBytes} bytes that never took effect`);
  }

  #log(path: string, generation: number, isBegun: boolean): { isWhole: boolean; isContinued: boolean } {
    let survey: LogSurvey;
    try {
      survey = surveyLog(this.#fs, path, FileMagic.log, generation, isBegun);
    } catch (error) {
      this.#add(damageOf(error, path));
      return { isWhole: false, isContinued: false };
    }
    survey.damages.forEach((damage) => void this.#add(damage));
    let isWhole = survey.damages.length === 0;
    const torn = survey.gaps.find(({ isTorn }) => isTorn);
    if (isWhole && torn !== undefined) {
      const bytes = survey.contentBytes - torn.offset;
      this.#notes.push(`${path} ends with ${bytes} bytes that were never known to be synced: a torn tail`);
    }
    using log = openBatches(this.#fs, path, generation);
    for (const batch of survey.batches) {
      if (batch.kind !== BatchKind.data || !log.reader.moveTo(batch.offset)) continue;
      try {
        this.#entries += visitPuts(log.reader, path, () => undefined);
      } catch (error) {
        isWhole = false;
        this.#add(damageOf(error, path));
      }
    }
    return { isWhole, isContinued: survey.isContinued };
  }

  *#table(id: number, listed: TableMetadata | undefined): Generator<Progress, void, void> {
    const path = pathOf.table(this.#contents.directory, id);
    const steps = verifyTable(this.#fs, path, listed, (damage) => {
      this.#damagedTables.add(id);
      this.#add(damage);
    });
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) {
        this.#entries += value.properties?.entries ?? 0;
        return;
      }
      yield* this.#step(value);
    }
  }

  *#order(version: Version, oldestGeneration: number): Generator<Progress, void, void> {
    // Damaged tables cannot be compared, and those in quarantine have no place in the order.
    const withoutPlace = new Set([...this.#damagedTables, ...version.quarantine.map(({ id }) => id)]);
    try {
      const { directory } = this.#contents;
      const live = this.#contents.logs.filter((generation) => generation >= oldestGeneration);
      const logs = live.map((generation) => memtableOf(this.#fs, directory, generation).memtable);
      using stack = new Layers(this.#fs, directory, version, logs, withoutPlace);
      const { layers } = stack;
      // A single layer has nothing above or below it.
      if (layers.length < 2) return;
      this.#totalBytes += version.rawSizeBytes;
      const steps = checkVersionOrder(layers, ({ key, upper, lower }) => {
        const shown = Buffer.from(key).toString('hex');
        const message = `${directory}: ${upper} has an older version of the key ${shown} (hexadecimal) than ${lower}, which lies below it`;
        this.#add({ code: 'CORRUPTION', file: directory, offset: null, message });
      });
      for (const bytes of steps) yield* this.#step(bytes);
    } catch (error) {
      if (!(error instanceof LsmError)) throw error;
      this.#add(damageOf(error, this.#contents.directory));
    }
  }

  #noteLeftovers({ state }: ManifestSurvey): void {
    const { directory, foreign, hasRepairMark, logs, manifests, tables, temporary } = this.#contents;
    if (hasRepairMark)
      this.#add(
        damageOf(corruption(`${directory}/REPAIRING`, 0, 'a repair did not finish: run it again'), directory),
      );
    if (foreign.length > 0) this.#notes.push(`files that no engine makes: ${foreign.join(', ')}`);
    if (temporary.length > 0)
      this.#notes.push(`unfinished files, removed at the next start: ${temporary.join(', ')}`);
    if (state === undefined) return;
    for (const { id } of state.version.quarantine)
      this.#notes.push(
        `table ${id} was set aside as damaged: what could be read of it is in others; a repair puts it back or drops it`,
      );
    const orphans = orphanTables(tables, state.version);
    if (orphans.length > 0)
      this.#notes.push(`tables the manifest does not name, removed at the next start: ${orphans.join(', ')}`);
    const obsolete = logs.filter((generation) => generation < state.oldestGeneration);
    if (obsolete.length > 0)
      this.#notes.push(`logs that are in tables, removed at the next start: ${obsolete.join(', ')}`);
    if (manifests.length > 1) this.#notes.push(`${manifests.length - 1} older manifests`);
  }

  #add(damage: Damage): void {
    const count = (this.#perFile.get(damage.file) ?? 0) + 1;
    this.#perFile.set(damage.file, count);
    if (count <= MAX_PER_FILE) this.#damages.push(damage);
    else if (count === MAX_PER_FILE + 1) {
      this.#damages.push({ ...damage, message: `${damage.file} has more damage than is listed` });
    }
  }

  *#step(bytes: number): Generator<Progress, void, void> {
    this.#doneBytes += bytes;
    if (this.#doneBytes - this.#shownBytes < STEP_BYTES) return;
    this.#shownBytes = this.#doneBytes;
    yield { doneBytes: this.#doneBytes, totalBytes: this.#totalBytes };
  }

  #sizeOfAll(): number {
    const { directory, logs, tables } = this.#contents;
    let bytes = 0;
    for (const id of tables) bytes += this.#fs.sizeSync(pathOf.table(directory, id));
    for (const generation of logs) bytes += this.#fs.sizeSync(pathOf.log(directory, generation));
    return bytes;
  }
}

/** Tables on the disk that a version does not name. */
export function orphanTables(tables: readonly number[], version: Version): number[] {
  const named = new Set(version.tables.map(({ id }) => id));
  return tables.filter((id) => !named.has(id));
}
