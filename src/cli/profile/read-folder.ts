/** Reads what `profile` has written, for a comparison. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { errorMessage } from '../../errors.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { CPU_ENDING, HEAP_ENDING } from './folder.ts';
import { parseCpuProfile, parseHeapProfile, parseSummary } from './folder-checks.ts';
import { type NodeFiles, type NodeSummary, type ProfileFolder, SUMMARY_FILE } from './profile-folder.ts';

const SAMPLE_FILE = /^([^/]+)\/([^/]+)\.(?:cpu|heap)profile$/;

/** @throws CommandError for a folder that `profile` has not written, or not to its end */
export async function readFolder(directory: string): Promise<ProfileFolder> {
  const summary = await read(path.join(directory, SUMMARY_FILE), parseSummary);
  const nodes = await Promise.all(summary.nodes.map((node) => readNode(directory, node, summary.files)));
  return { summary, nodes };
}

async function readNode(
  directory: string,
  { name: node, sampledThreads, waits }: NodeSummary,
  files: readonly string[],
): Promise<NodeFiles> {
  const readIfListed = <T>(file: string, parse: (text: string) => T): Promise<T> | null =>
    files.includes(file) ? read(path.join(directory, file), parse) : null;
  const names = new Set([
    ...files.flatMap((file) => {
      const [, of, thread] = SAMPLE_FILE.exec(file) ?? [];
      return of === node ? [thread] : [];
    }),
    ...(waits ?? []).map(({ thread }) => thread),
  ]);
  const threads = [...names].map(async (name) => ({
    name,
    cpu: await readIfListed(`${node}/${name}${CPU_ENDING}`, parseCpuProfile),
    sampledCpu: sampledThreads?.find(({ thread }) => thread === name)?.cpu ?? null,
    heap: await readIfListed(`${node}/${name}${HEAP_ENDING}`, parseHeapProfile),
    waits: waits?.find(({ thread }) => thread === name)?.waits ?? null,
  }));
  return { name: node, threads: await Promise.all(threads) };
}

async function read<T>(file: string, parse: (text: string) => T): Promise<T> {
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
    return parse(text);
  } catch (error) {
    throw new CommandError(
      ExitCode.error,
      `${file} is not what \`profile --out\` writes: ${errorMessage(error)}`,
    );
  }
}
