/** Which part of a profile's CPU time is spent in which part of the project, of Node and of the kernel. Pure. */
import { FrameKind } from '../../src/cli/profile/view/frame.ts';
import type { FrameTree } from '../../src/cli/profile/view/frame-tree.ts';
import { functionsOf } from '../../src/cli/profile/view/functions.ts';

/** The first whose pattern a function's name fits: those of the profile's graphs, `function file` or `[kernel] call`. */
const PARTS: readonly (readonly [pattern: RegExp, part: string])[] = [
  [/^\[kernel\] socket write/, 'socketWriteShare'],
  [/^\[kernel\] (?:socket|datagram)/, 'socketReadShare'],
  [/^\[kernel\] file/, 'diskCallsShare'],
  [/^\[kernel\]/, 'otherKernelShare'],
  [/ native-free-lsm\//, 'engineShare'],
  [/ src\/(?:http|admission)\//, 'httpShare'],
  [/ src\/(?:rpc|peer-http)\//, 'rpcShare'],
  [/ src\//, 'coordinatorShare'],
  [/^\(garbage collector\)/, 'gcShare'],
];
const RUNTIME = 'nodeShare';
const LIBRARY = 'packagesShare';
const NATIVE = 'nativeShare';
export const PART_NAMES: readonly string[] = [...PARTS.map(([, part]) => part), RUNTIME, LIBRARY, NATIVE];

/** @returns by name, each a share of the whole */
export function partsOf(tree: FrameTree): Record<string, number> {
  const parts = Object.fromEntries(PART_NAMES.map((part) => [part, 0]));
  if (tree.total === 0) return parts;
  for (const { kind, name, self } of functionsOf(tree).values())
    parts[partOf(name, kind)] += self / tree.total;
  return parts;
}

function partOf(name: string, kind: FrameKind): string {
  if (kind === FrameKind.library) return LIBRARY;
  if (kind === FrameKind.runtime) return RUNTIME;
  return PARTS.find(([pattern]) => pattern.test(name))?.[1] ?? NATIVE;
}
