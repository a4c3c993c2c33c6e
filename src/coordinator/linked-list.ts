/** What is in a list: the links are the list's, and in one list at a time. */
export interface Linked<T> {
  earlier: T | null;
  later: T | null;
}

/** A list through its entries themselves: it needs no memory of its own, and whoever is taken out is found at once. Pure. */
export class LinkedList<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #count = 0;

  get first(): T | null {
    return this.#first;
  }

  get last(): T | null {
    return this.#last;
  }

  get count(): number {
    return this.#count;
  }

  append(entry: T): void {
    this.insertAfter(this.#last, entry);
  }

  /** @param earlier null: the entry becomes the first */
  insertAfter(earlier: T | null, entry: T): void {
    const later = earlier === null ? this.#first : earlier.later;
    entry.earlier = earlier;
    entry.later = later;
    if (earlier === null) this.#first = entry;
    else earlier.later = entry;
    if (later === null) this.#last = entry;
    else later.earlier = entry;
    this.#count++;
  }

  /** Only to be called with one that is in this list. */
  remove(entry: T): void {
    const { earlier, later } = entry;
    if (earlier === null) this.#first = later;
    else earlier.later = later;
    if (later === null) this.#last = earlier;
    else later.earlier = earlier;
    entry.earlier = null;
    entry.later = null;
    this.#count--;
  }
}
