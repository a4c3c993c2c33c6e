/**
 * The accepted connections whose handshake is not over. Their number is bounded, and a new one always gets in: the
 * oldest connection of the address that has the most is closed for it. So neither silent sockets nor a flood of new
 * ones keep a member out. Pure.
 */
export class WaitingRoom<T> {
  readonly #capacity: number;
  /** The connections of each address, oldest first. */
  readonly #byAddress = new Map<string, Set<T>>();
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns the connection that must be closed for it; null when there is room for all */
  add(address: string, comer: T): T | null {
    let others = this.#byAddress.get(address);
    if (others === undefined) {
      others = new Set();
      this.#byAddress.set(address, others);
    }
    others.add(comer);
    this.#size++;
    return this.#size > this.#capacity ? this.#oldestOfMost() : null;
  }

  /** @returns whether it was here */
  remove(address: string, comer: T): boolean {
    const others = this.#byAddress.get(address);
    if (others?.delete(comer) !== true) return false;
    if (others.size === 0) this.#byAddress.delete(address);
    this.#size--;
    return true;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const others of this.#byAddress.values()) yield* others;
  }

  #oldestOfMost(): T | null {
    let most: Set<T> | null = null;
    for (const others of this.#byAddress.values())
      if (most === null || others.size > most.size) most = others;
    for (const oldest of most ?? []) return oldest;
    return null;
  }
}
