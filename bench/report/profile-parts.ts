/** What of its busy time a thread spends in which part of the project. Pure. */
import type { CpuProfile } from '../../src/cli/profile/profile-folder.ts';

/** By name, each a share of the time in which the thread was not idle; together they are 1. */
export type Parts = Readonly<Record<string, number>>;

const IDLE = new Set(['(idle)', '(root)']);
const COLLECTOR = '(garbage collector)';
/** The first that the file's address has in it. */
const FOLDERS: readonly (readonly [folder: string, part: string])[] = [
  ['/native-free-lsm/', 'engineShare'],
  ['/src/http/', 'httpShare'],
  ['/src/admission/', 'httpShare'],
  ['/src/rpc/', 'rpcShare'],
  ['/src/peer-http/', 'rpcShare'],
  ['/src/', 'coordinatorShare'],
  ['/node_modules/', 'packagesShare'],
];
const OTHERS = ['nodeShare', 'nativeShare', 'gcShare'];
export const PART_NAMES: readonly string[] = [...new Set(FOLDERS.map(([, part]) => part)), ...OTHERS];

export function partsOf({ nodes, samples, timeDeltas }: CpuProfile): Parts {
  const partById = new Map(nodes.map(({ callFrame, id }) => [id, partOf(callFrame)]));
  const micros = new Map<string, number>(PART_NAMES.map((part) => [part, 0]));
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const part = partById.get(id);
    if (part === undefined) continue;
    // A sample stands for the time until the next one.
    const delta = timeDeltas[index + 1] ?? 0;
    busy += delta;
    micros.set(part, (micros.get(part) ?? 0) + delta);
  }
  return Object.fromEntries([...micros].map(([part, time]) => [part, busy === 0 ? 0 : time / busy]));
}

/** @returns undefined when the thread is idle there */
function partOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string | undefined {
  if (IDLE.has(functionName)) return undefined;
  if (functionName === COLLECTOR) return 'gcShare';
  // Outside JavaScript: system calls, most of all those that read and write sockets, V8 itself, and what Node does in C++.
  if (url === '') return 'nativeShare';
  return FOLDERS.find(([folder]) => url.includes(folder))?.[1] ?? 'nodeShare';
}
