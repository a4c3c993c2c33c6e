import type { Frame } from './frame.ts';

/** Stacks that begin alike, and what they weigh: milliseconds or bytes. A stack has each of its frames as a level. */
export class FrameTree {
  readonly frame: Frame;
  /** Of stacks that end here. */
  self = 0;
  /** Of all that pass through here: never less than what the children have together. */
  total = 0;
  readonly #children = new Map<string, FrameTree>();

  constructor(frame: Frame) {
    this.frame = frame;
  }

  /** In the order in which they came. */
  get children(): Iterable<FrameTree> {
    return this.#children.values();
  }

  childNamed(name: string): FrameTree | undefined {
    return this.#children.get(name);
  }

  /** @param stack from the outermost frame on, without this tree's own */
  add(stack: readonly Frame[], weight: number): void {
    let tree: FrameTree = this;
    tree.total += weight;
    for (const frame of stack) {
      tree = tree.#child(frame);
      tree.total += weight;
    }
    tree.self += weight;
  }

  #child(frame: Frame): FrameTree {
    let child = this.#children.get(frame.name);
    if (child === undefined) {
      child = new FrameTree(frame);
      this.#children.set(frame.name, child);
    }
    return child;
  }
}
