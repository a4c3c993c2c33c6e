/**
 * Which files of tests `npm test` runs in which process, and in which order. Pure.
 *
 * A process of Node costs a third of a second of CPU time before its first test, for its modules and for code that is
 * not compiled yet, and most files of tests need less than that themselves. So where a folder has a `together.ts`, its
 * files, and those of the folders below it, share one process.
 */
import { posix } from 'node:path';

/** The name of the file that runs the tests of its folder. */
export const TOGETHER = 'together.ts';

/** Files that have a process of their own in a folder whose files share one, with the reason. */
export const ALONE: Readonly<Record<string, string>> = {
  'test/contract/engine/sync-failures.test.ts':
    'it starts some fifty threads, and waits for most of its time',
  'test/contract/engine/thread-deaths.test.ts': 'it kills threads, and looks at what memory they have left',
  'test/contract/engine/threads.test.ts':
    'its 64 callers at once, and 40,000 gets, want a process of their own',
  'test/contract/profiling/planted.test.ts': 'it profiles its process',
  'test/contract/profiling/sampled-kernel.test.ts': 'it tells the threads of its process apart',
  'test/simulation/world/simulator.test.ts':
    'it computes for half a minute, most of it in a thread of its own',
  'test/unit/bench/micro/cases.test.ts': 'it awaits something before it names its tests',
  'test/unit/src/node/node.test.ts': 'it waits for most of its time, in which others of its folder could run',
};

/** What takes longest, the longest first: begun last it would run on alone. */
export const BEGUN_FIRST: readonly string[] = [
  'test/contract/together.ts',
  'test/simulation/together.ts',
  'test/unit/native-free-lsm/together.ts',
  'test/e2e/serve.test.ts',
  'test/e2e/failures.test.ts',
  'test/crash/engine/together.ts',
  'test/e2e/lsm.test.ts',
  'test/simulation/world/simulator.test.ts',
  'test/unit/src/node/node.test.ts',
  'test/unit/src/cli/together.ts',
  'test/unit/native-free-lsm/store/together.ts',
  'test/unit/src/together.ts',
];

/**
 * @param files the paths of all files of tests and of every `together.ts`, from the top of the repository, with slashes
 * @returns the files to start, each in a process of its own, in this order
 */
export function processesOf(files: readonly string[]): string[] {
  const folders = foldersThatShare(files);
  const started = files.filter((file) => isTogether(file) || sharedFolderOf(file, folders) === undefined);
  const placeOf = (file: string): number => {
    const place = BEGUN_FIRST.indexOf(file);
    return place < 0 ? BEGUN_FIRST.length : place;
  };
  return started.toSorted((a, b) => placeOf(a) - placeOf(b) || (a < b ? -1 : 1));
}

/** @returns those of `files` whose tests the `together.ts` of this folder runs */
export function filesTogether(files: readonly string[], folder: string): string[] {
  const folders = foldersThatShare(files);
  return files.filter((file) => !isTogether(file) && sharedFolderOf(file, folders) === folder).toSorted();
}

function isTogether(file: string): boolean {
  return posix.basename(file) === TOGETHER;
}

function foldersThatShare(files: readonly string[]): ReadonlySet<string> {
  return new Set(files.filter(isTogether).map((file) => posix.dirname(file)));
}

/** The nearest one above; undefined: the file has a process of its own. */
function sharedFolderOf(file: string, folders: ReadonlySet<string>): string | undefined {
  if (Object.hasOwn(ALONE, file)) return undefined;
  for (let folder = posix.dirname(file); folder !== '.'; folder = posix.dirname(folder))
    if (folders.has(folder)) return folder;
  return undefined;
}
