/** Numbers that may be used once each, counted up from 1 by another node and coming in any order. Pure. */

/** So many numbers may be missing below the highest: their connections never came. */
export const MAX_MISSING = 1_024;

export class Once {
  /** All numbers up to this one count as used. */
  #floor = 0;
  readonly #above = new Set<number>();

  /** @returns whether the number was not used before; one that is far behind the others counts as used */
  use(number: number): boolean {
    if (number <= this.#floor || this.#above.has(number)) return false;
    this.#above.add(number);
    this.#raise();
    if (this.#above.size > MAX_MISSING) {
      this.#floor = Math.min(...this.#above) - 1;
      this.#raise();
    }
    return true;
  }

  #raise(): void {
    while (this.#above.delete(this.#floor + 1)) this.#floor++;
  }
}
