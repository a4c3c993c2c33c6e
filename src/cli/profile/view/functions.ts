/** What each function weighs, wherever it was called from. Pure. */
import type { FrameKind } from './frame.ts';
import { FrameKind as Kind } from './frame.ts';
import type { FrameTree } from './frame-tree.ts';

interface FunctionWeight {
  readonly name: string;
  readonly kind: FrameKind;
  self: number;
  /** Once for each stack, also where a function calls itself. */
  total: number;
}

/** By steady name: a function that has moved in its file is the same. Groups are left out. */
export function functionsOf(tree: FrameTree): Map<string, FunctionWeight> {
  const functions = new Map<string, FunctionWeight>();
  const open = new Set<string>();
  const visit = (at: FrameTree): void => {
    const { kind, steadyName: name } = at.frame;
    const isCounted = kind !== Kind.group;
    const isOutermost = isCounted && !open.has(name);
    if (isCounted) {
      let weight = functions.get(name);
      if (weight === undefined) {
        weight = { name, kind, self: 0, total: 0 };
        functions.set(name, weight);
      }
      weight.self += at.self;
      if (isOutermost) weight.total += at.total;
    }
    if (isOutermost) open.add(name);
    for (const child of at.children) visit(child);
    if (isOutermost) open.delete(name);
  };
  visit(tree);
  return functions;
}

/** Time or bytes of one kind of frame, as a part of all. */
export function shareOf(tree: FrameTree, kind: FrameKind): number {
  let sum = 0;
  const visit = (at: FrameTree): void => {
    if (at.frame.kind === kind) sum += at.total;
    else for (const child of at.children) visit(child);
  };
  visit(tree);
  return tree.total === 0 ? 0 : sum / tree.total;
}
