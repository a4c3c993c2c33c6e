import { corruption, refusal } from '../errors.ts';
import { frameTag } from '../format/frame.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { BatchKind, FileMagic } from '../log/log-format.ts';
import { readCurrent } from '../version/current-file.ts';
import { decodeFrame, ManifestTag } from '../version/edit-codec.ts';
import type { FolderContents } from '../version/folder-contents.ts';
import { type RecoveredManifest, readManifest, recoverManifest } from '../version/manifest-reader.ts';
import type { VersionEdit } from '../version/version.ts';
import { type Damage, damageOf, pathOf } from './folder.ts';
import { type BatchPlace, type LogSurvey, openBatches, surveyLog } from './log-survey.ts';

export interface ManifestSurvey {
  /** The number of the manifest that CURRENT names; undefined when it names none that is possible. */
  readonly number: number | undefined;
  /** The content of that manifest; undefined when it cannot be read as a whole. */
  readonly state: RecoveredManifest | undefined;
  readonly damages: readonly Damage[];
}

/** What an opening would learn from CURRENT and the manifest, and everything that is wrong with them. */
export function surveyManifest(fs: FileSystem, { directory, hasCurrent }: FolderContents): ManifestSurvey {
  const damages: Damage[] = [];
  let number: number | undefined;
  let state: RecoveredManifest | undefined;
  try {
    number = readCurrent(fs, directory);
    state = recoverManifest(fs, directory);
  } catch (error) {
    damages.push(damageOf(error, pathOf.current(directory)));
  }
  if (!hasCurrent && damages.length === 0) {
    damages.push(damageOf(corruption(pathOf.current(directory), 0, 'the file is missing'), directory));
  }
  if (number !== undefined && state === undefined) addOthers(fs, directory, number, damages);
  return { number, state, damages };
}

/** Adds the faults behind the first one, at which reading stops. */
function addOthers(fs: FileSystem, directory: string, number: number, damages: Damage[]): void {
  const path = pathOf.manifest(directory, number);
  if (!fs.existsSync(path)) return;
  for (const damage of surveyLog(fs, path, FileMagic.manifest, number).damages) {
    const isKnown = damages.some(({ file, offset }) => file === damage.file && offset === damage.offset);
    if (!isKnown) damages.push(damage);
  }
}

/** The content of one manifest, whether CURRENT names it or not; undefined when it cannot be read as a whole. */
export function manifestState(
  fs: FileSystem,
  directory: string,
  number: number,
): RecoveredManifest | undefined {
  try {
    return readManifest(fs, pathOf.manifest(directory, number), number);
  } catch (error) {
    damageOf(error, pathOf.manifest(directory, number));
    return undefined;
  }
}

interface EditPlace {
  readonly batch: BatchPlace;
  readonly isSnapshot: boolean;
  readonly edit: VersionEdit;
}

/** Every edit in an intact batch, and what is wrong with the rest. */
export function manifestEdits(
  fs: FileSystem,
  path: string,
  number: number,
): { survey: LogSurvey; edits: EditPlace[]; damages: Damage[] } {
  const survey = surveyLog(fs, path, FileMagic.manifest, number);
  const damages = [...survey.damages];
  const edits: EditPlace[] = [];
  using file = openBatches(fs, path, number);
  const { reader } = file;
  for (const batch of survey.batches) {
    if (batch.kind !== BatchKind.data || !reader.moveTo(batch.offset)) continue;
    const { bodyEnd, bodyStart, window } = reader;
    const isSnapshot = frameTag(window.bytes, bodyStart) === ManifestTag.snapshot;
    const tag = isSnapshot ? ManifestTag.snapshot : ManifestTag.edit;
    try {
      edits.push({ batch, isSnapshot, edit: decodeFrame(window.bytes, bodyStart, bodyEnd, tag) });
    } catch (error) {
      damages.push(damageOf(refusal(path, batch.offset, error), path));
    }
  }
  return { survey, edits, damages };
}
