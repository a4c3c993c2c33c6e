/** Reads what `profile` has written, for a comparison. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage } from '../../errors.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { CPU_ENDING, HEAP_ENDING } from './folder.ts';
import {
  type CpuProfile,
  type HeapProfile,
  type NodeFiles,
  type NodeSummary,
  PROFILE_FOLDER_VERSION,
  type ProfileFolder,
  type ProfileSummary,
  SUMMARY_FILE,
} from './profile-folder.ts';

const SAMPLE_FILE = /^([^/]+)\/([^/]+)\.(?:cpu|heap)profile$/;

/** @throws CommandError for a folder that `profile` has not written, or not to its end */
export async function readFolder(directory: string): Promise<ProfileFolder> {
  const file = path.join(directory, SUMMARY_FILE);
  const summary = (await readJson(file)) as ProfileSummary | null;
  if (summary?.version !== PROFILE_FOLDER_VERSION)
    throw new CommandError(
      ExitCode.error,
      `${file} is not what this version of \`profile\` writes: make both profiles with this one`,
    );
  const nodes = await Promise.all(summary.nodes.map((node) => readNode(directory, node, summary.files)));
  return { summary, nodes };
}

async function readNode(
  directory: string,
  { name: node, sampledThreads, waits }: NodeSummary,
  files: readonly string[],
): Promise<NodeFiles> {
  const read = async (file: string): Promise<unknown> =>
    files.includes(file) ? await readJson(path.join(directory, file)) : null;
  const names = new Set([
    ...files.flatMap((file) => {
      const [, of, thread] = SAMPLE_FILE.exec(file) ?? [];
      return of === node ? [thread] : [];
    }),
    ...(waits ?? []).map(({ thread }) => thread),
  ]);
  const threads = [...names].map(async (name) => ({
    name,
    cpu: (await read(`${node}/${name}${CPU_ENDING}`)) as CpuProfile | null,
    sampledCpu: sampledThreads?.find(({ thread }) => thread === name)?.cpu ?? null,
    heap: (await read(`${node}/${name}${HEAP_ENDING}`)) as HeapProfile | null,
    waits: waits?.find(({ thread }) => thread === name)?.waits ?? null,
  }));
  return { name: node, threads: await Promise.all(threads) };
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(
      ExitCode.error,
      `${file} cannot be read (${errorMessage(error)}): name a folder that \`profile --out\` has written`,
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandError(ExitCode.error, `${file} is damaged: it is not JSON`);
  }
}
