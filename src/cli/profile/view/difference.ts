/** What has changed from one profile to another. Pure. */
import type { ProfileKind } from '../../../node-profile.ts';
import type { ProfileFolder } from '../profile-folder.ts';
import { cpuTreeOf } from './cpu-tree.ts';
import { type Frame, FrameKind } from './frame.ts';
import { FrameTree } from './frame-tree.ts';
import { functionsOf } from './functions.ts';
import { heapTreeOf } from './heap-tree.ts';
import { waitSiteTreeOf } from './wait-tree.ts';

export const COMPARED_BY = ['request', 'share'] as const;
/** What one request costs, or the part of the whole that something has, in percent. */
export type ComparedBy = (typeof COMPARED_BY)[number];

interface Change {
  readonly name: string;
  readonly kind: FrameKind;
  readonly selfBefore: number;
  readonly selfAfter: number;
  readonly totalBefore: number;
  readonly totalAfter: number;
}

export interface Difference {
  readonly kind: ProfileKind;
  /** Of every weight: a request, or of the whole. */
  readonly unit: 'µs' | 'B' | '%';
  /** Frames have their steady names, so that a function that has moved in its file is the same. */
  readonly before: FrameTree;
  readonly after: FrameTree;
  /** The largest change of self first; those that did not change are left out. */
  readonly changes: readonly Change[];
}

const TREES = { cpu: cpuTreeOf, heap: heapTreeOf, waits: waitSiteTreeOf } as const;

/** Of a kind's run, all nodes together. */
export function requestsOf({ summary }: ProfileFolder, kind: ProfileKind): number {
  return summary.runs.find((run) => run.kind === kind)?.requests ?? 0;
}

/** @returns undefined: one of the two has not recorded this kind, or nothing to divide by */
export function differenceOf(
  before: ProfileFolder,
  after: ProfileFolder,
  kind: ProfileKind,
  by: ComparedBy,
): Difference | undefined {
  const treeBefore = scaledTreeOf(before, kind, by);
  const treeAfter = scaledTreeOf(after, kind, by);
  if (treeBefore === undefined || treeAfter === undefined) return undefined;
  const unitOfRequest = kind === 'heap' ? 'B' : 'µs';
  return {
    kind,
    unit: by === 'share' ? '%' : unitOfRequest,
    before: treeBefore,
    after: treeAfter,
    changes: changesOf(treeBefore, treeAfter),
  };
}

function scaledTreeOf(folder: ProfileFolder, kind: ProfileKind, by: ComparedBy): FrameTree | undefined {
  if (!folder.summary.kinds.includes(kind)) return undefined;
  const tree = TREES[kind](folder.nodes);
  if (by === 'share') return tree.total === 0 ? undefined : scaled(tree, 100 / tree.total);
  const requests = requestsOf(folder, kind);
  const perUnit = kind === 'heap' ? 1 : 1000;
  return requests === 0 ? undefined : scaled(tree, perUnit / requests);
}

/** With steady names, and each weight times a factor. */
function scaled(tree: FrameTree, factor: number): FrameTree {
  const result = new FrameTree(tree.frame);
  const visit = (at: FrameTree, stack: readonly Frame[]): void => {
    if (at.self > 0) result.add(stack, at.self * factor);
    for (const child of at.children) {
      const { kind, steadyName } = child.frame;
      visit(child, [...stack, { name: steadyName, steadyName, kind }]);
    }
  };
  visit(tree, []);
  return result;
}

function changesOf(before: FrameTree, after: FrameTree): Change[] {
  const old = functionsOf(before);
  const now = functionsOf(after);
  const changes = [...new Set([...old.keys(), ...now.keys()])].map((name): Change => {
    const was = old.get(name);
    const is = now.get(name);
    return {
      name,
      kind: is?.kind ?? was?.kind ?? FrameKind.native,
      selfBefore: was?.self ?? 0,
      selfAfter: is?.self ?? 0,
      totalBefore: was?.total ?? 0,
      totalAfter: is?.total ?? 0,
    };
  });
  return changes
    .filter(
      ({ selfAfter, selfBefore, totalAfter, totalBefore }) =>
        selfAfter !== selfBefore || totalAfter !== totalBefore,
    )
    .sort((a, b) => Math.abs(b.selfAfter - b.selfBefore) - Math.abs(a.selfAfter - a.selfBefore));
}
