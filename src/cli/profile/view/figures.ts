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

/** What a function does itself, or that with all that it calls. */
export const WEIGHTS_OF_CHANGES = { self: 'itself', total: 'with what it calls' } as const;
type WeightOfChange = keyof typeof WEIGHTS_OF_CHANGES;

/** Function, before, after, and the change, the largest first. */
export function changeRows({ changes }: Difference, weight: WeightOfChange, count: number): string[][] {
  return changes
    .map(({ name, selfAfter, selfBefore, totalAfter, totalBefore }) => {
      const [before, after] = weight === 'self' ? [selfBefore, selfAfter] : [totalBefore, totalAfter];
      return { name, before, after, change: after - before };
    })
    .filter(({ change }) => change !== 0)
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change))
    .slice(0, count)
    .map(({ after, before, change, name }) => [name, figure(before), figure(after), signed(change)]);
}

function figure(weight: number): string {
  return weight >= 100 ? weight.toFixed(0) : weight.toFixed(2);
}

function signed(weight: number): string {
  return `${weight < 0 ? '-' : '+'}${figure(Math.abs(weight))}`;
}
