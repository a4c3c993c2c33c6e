/**
 * A network of proxies among the nodes of a cluster: a link for each node to each other one. A link carries what one
 * node asks the other and what that answers, so between two nodes there are two. Nodes are their indices.
 */
import type { Address } from '../../src/address.ts';
import { DelayProxy } from './delay-proxy.ts';

export class ProxyNetwork implements AsyncDisposable {
  readonly #nodes: readonly Address[];
  /** By the node that asks, then by the node that is asked; null to itself. */
  readonly #links: readonly (readonly (DelayProxy | null)[])[];

  private constructor(nodes: readonly Address[], links: readonly (readonly (DelayProxy | null)[])[]) {
    this.#nodes = nodes;
    this.#links = links;
  }

  /** @param nodes where each listens itself; it need not listen yet */
  static async among(nodes: readonly Address[]): Promise<ProxyNetwork> {
    const links = nodes.map((_, from) =>
      Promise.all(nodes.map((target, to) => (to === from ? null : DelayProxy.listen(target)))),
    );
    return new ProxyNetwork(nodes, await Promise.all(links));
  }

  /** Where a node reaches the others; its own place has the address at which it listens. */
  addressesFor(from: number): readonly Address[] {
    return this.#nodes.map((own, to) => this.#links[from][to]?.address ?? own);
  }

  /** Both ways between two nodes. */
  between(one: number, other: number): readonly DelayProxy[] {
    return [this.#links[one][other], this.#links[other][one]].filter((link) => link !== null);
  }

  /** Everything that leads to or from a node. */
  around(node: number): readonly DelayProxy[] {
    return this.#nodes.flatMap((_, other) => (other === node ? [] : this.between(node, other)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const links = this.#links.flat().filter((link) => link !== null);
    await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));
  }
}
