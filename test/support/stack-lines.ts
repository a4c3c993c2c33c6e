import type { FrameTree } from '../../src/cli/profile/view/frame-tree.ts';

/** What each stack weighs itself, as `a > b > c 12`, in order of text; weights are rounded. */
export function stackLines(tree: FrameTree): string[] {
  const lines: string[] = [];
  const visit = (at: FrameTree, above: readonly string[]): void => {
    const stack = [...above, at.frame.name];
    if (at.self > 0) lines.push(`${stack.slice(1).join(' > ')} ${Number(at.self.toFixed(3))}`);
    for (const child of at.children) visit(child, stack);
  };
  visit(tree, []);
  return lines.sort();
}
