/**
 * A tree as a page draws it, in plain data. What is too small to be seen is left out, so that a page stays small: it
 * counts for its parent all the same. Pure.
 */
import type { FrameKind } from './frame.ts';
import type { FrameTree } from './frame-tree.ts';

export interface GraphNode {
  readonly name: string;
  readonly kind: FrameKind;
  /** Of the frame with all that it called. */
  readonly value: number;
  /** Of two profiles: how much more the second has. */
  readonly delta?: number;
  readonly children: readonly GraphNode[];
}

/** A frame below this part of the whole is less than a pixel wide. */
const LEAST_SHARE = 0.0002;

export function graphOf(tree: FrameTree): GraphNode {
  const least = tree.total * LEAST_SHARE;
  const draw = (at: FrameTree): GraphNode => {
    const children = [...at.children].filter(({ total }) => total > least).map(draw);
    return { name: at.frame.name, kind: at.frame.kind, value: at.total, children };
  };
  return draw(tree);
}

/** @param side which of the two is drawn: how wide a frame is; the colours are the same */
export function differenceGraphOf(before: FrameTree, after: FrameTree, side: 'before' | 'after'): GraphNode {
  const drawn = side === 'before' ? before : after;
  const other = side === 'before' ? after : before;
  const sign = side === 'before' ? -1 : 1;
  const least = drawn.total * LEAST_SHARE;
  const draw = (at: FrameTree, against: FrameTree | undefined): GraphNode => {
    const children = [...at.children]
      .filter(({ total }) => total > least)
      .map((child) => draw(child, against?.childNamed(child.frame.name)));
    const delta = sign * (at.total - (against?.total ?? 0));
    return { name: at.frame.name, kind: at.frame.kind, value: at.total, delta, children };
  };
  return draw(drawn, other);
}
