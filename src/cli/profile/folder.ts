/** Writes the folder of a profile. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage } from '../../errors.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { type NodeFiles, type ProfileSummary, SUMMARY_FILE } from './profile-folder.ts';

/** Text by its path in the folder, with `/`. */
type FolderFiles = ReadonlyMap<string, string>;

export const CPU_ENDING = '.cpuprofile';
export const HEAP_ENDING = '.heapprofile';

/**
 * Makes the folder, so that a wrong name costs no run.
 * @returns whether there was none
 * @throws CommandError for one that holds something
 */
export async function makeEmptyFolder(directory: string): Promise<boolean> {
  let made: string | undefined;
  let names: string[];
  try {
    made = await mkdir(directory, { recursive: true });
    names = await readdir(directory);
  } catch (error) {
    throw new CommandError(ExitCode.output, `${directory} cannot be used: ${errorMessage(error)}`);
  }
  if (names.length > 0)
    throw new CommandError(
      ExitCode.error,
      `${directory} is not empty: name a new folder with --out, or empty it`,
    );
  return made !== undefined;
}

/** The samples of all threads. */
export function sampleFilesOf(nodes: readonly NodeFiles[]): FolderFiles {
  const files = new Map<string, string>();
  for (const { name: node, threads } of nodes) {
    for (const { cpu, heap, name } of threads) {
      const place = `${node}/${name}`;
      if (cpu !== null) files.set(`${place}${CPU_ENDING}`, JSON.stringify(cpu));
      if (heap !== null) files.set(`${place}${HEAP_ENDING}`, JSON.stringify(heap));
    }
  }
  return files;
}

/** The summary is written last: a folder that has one is whole. */
export async function writeFolder(
  directory: string,
  files: FolderFiles,
  summary: ProfileSummary,
): Promise<void> {
  for (const [name, text] of files) await writeText(path.join(directory, name), text);
  await writeText(path.join(directory, SUMMARY_FILE), `${JSON.stringify(summary, null, 2)}\n`);
}

/** @throws CommandError */
export async function writeText(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (error) {
    throw new CommandError(ExitCode.output, `${file} could not be written: ${errorMessage(error)}`);
  }
}
