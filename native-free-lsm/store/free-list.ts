/** The free ones among `capacity` numbered places; a stack, so that few places stay in use. */
export class FreeList {
  readonly capacity: number;
  readonly #free: Int32Array;
  #count: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#free = new Int32Array(capacity);
    for (let i = 0; i < capacity; i++) this.#free[i] = capacity - 1 - i;
    this.#count = capacity;
  }

  get used(): number {
    return this.capacity - this.#count;
  }

  /** A place, or -1 when all are taken. */
  take(): number {
    return this.#count === 0 ? -1 : this.#free[--this.#count];
  }

  give(place: number): void {
    this.#free[this.#count++] = place;
  }
}
