/** The timers of a clock that is moved by hand, in a binary heap: the one that is due next is first. Pure. */

export class Timer {
  dueMs: number;
  /** 0: it runs once. */
  readonly periodMs: number;
  readonly callback: () => void;
  /** Among timers that are due at the same time the lower one runs first. */
  order = 0;
  /** Where it is in its heap; -1: nowhere. */
  place = -1;
  readonly #heap: TimerHeap;

  constructor(heap: TimerHeap, dueMs: number, periodMs: number, callback: () => void) {
    this.#heap = heap;
    this.dueMs = dueMs;
    this.periodMs = periodMs;
    this.callback = callback;
  }

  cancel(): void {
    this.#heap.remove(this);
  }
}

export class TimerHeap {
  readonly #timers: Timer[] = [];
  #added = 0;

  get count(): number {
    return this.#timers.length;
  }

  get first(): Timer | undefined {
    return this.#timers[0];
  }

  add(timer: Timer): void {
    timer.order = this.#added++;
    this.#timers.push(timer);
    this.#raise(timer, this.#timers.length - 1);
  }

  /** Does nothing to one that is not in it. */
  remove(timer: Timer): void {
    const { place } = timer;
    if (place < 0) return;
    timer.place = -1;
    const last = this.#timers.pop()!;
    if (last === timer) return;
    this.#raise(last, place);
    if (last.place === place) this.#lower(last, place);
  }

  /** One that runs again keeps its place among those that are due at the same time. */
  postpone(timer: Timer, dueMs: number): void {
    timer.dueMs = dueMs;
    this.#lower(timer, timer.place);
  }

  #raise(timer: Timer, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#timers[above];
      if (isBefore(other, timer)) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(timer, place);
  }

  #lower(timer: Timer, from: number): void {
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#timers.length) break;
      if (below + 1 < this.#timers.length && isBefore(this.#timers[below + 1], this.#timers[below])) below++;
      const other = this.#timers[below];
      if (isBefore(timer, other)) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(timer, place);
  }

  #put(timer: Timer, place: number): void {
    this.#timers[place] = timer;
    timer.place = place;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}
