/** Which refusals have been told in the log: a node that is refused comes back, and for the same reason. Pure. */
const MAX_NODES = 64;

export class RefusalMemo {
  readonly #told = new Map<string, string>();

  /** Whether it has not been told yet; from now on it has. Of the nodes told of the first is forgotten at last. */
  isNews(nodeId: string, reason: string): boolean {
    if (this.#told.get(nodeId) === reason) return false;
    this.#told.delete(nodeId);
    this.#told.set(nodeId, reason);
    if (this.#told.size > MAX_NODES)
      for (const [first] of this.#told.entries().take(1)) this.#told.delete(first);
    return true;
  }

  /** It is refused no more: if it is once again, that is news. */
  forget(nodeId: string): void {
    this.#told.delete(nodeId);
  }
}
