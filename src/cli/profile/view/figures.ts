/** Figures of trees and differences, as rows of text. Pure. */
import type { Difference } from './difference.ts';
import type { FrameTree } from './frame-tree.ts';
import { functionsOf } from './functions.ts';

/** As many as one looks through. */
export const TOP_FUNCTIONS = 40;

export function describeWeight(weight: number, unit: string): string {
  return `${weight.toLocaleString('en', { maximumSignificantDigits: 4 })} ${unit}`;
}

/** Function, itself, its part of the whole, with what it called, and the part of that. */
export function functionRows(tree: FrameTree, unit: string, count: number): string[][] {
  const percent = (weight: number): string =>
    tree.total === 0 ? '' : `${((100 * weight) / tree.total).toFixed(1)} %`;
  return [...functionsOf(tree).values()]
    .filter(({ self }) => self > 0)
    .sort((a, b) => b.self - a.self)
    .slice(0, count)
    .map(({ name, self, total }) => [
      name,
      describeWeight(self, unit),
      percent(self),
      describeWeight(total, unit),
      percent(total),
    ]);
}

/** Function, itself before and after, the change of that, with what it called before and after. */
export function changeRows({ changes }: Difference, count: number): string[][] {
  return changes
    .slice(0, count)
    .map(({ name, selfAfter, selfBefore, totalAfter, totalBefore }) => [
      name,
      figure(selfBefore),
      figure(selfAfter),
      signed(selfAfter - selfBefore),
      figure(totalBefore),
      figure(totalAfter),
    ]);
}

function figure(weight: number): string {
  return weight >= 100 ? weight.toFixed(0) : weight.toFixed(2);
}

function signed(weight: number): string {
  return `${weight < 0 ? '-' : '+'}${figure(Math.abs(weight))}`;
}
