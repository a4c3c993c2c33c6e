/**
 * Where threads meet, so that they begin together. It is passed as often as they like.
 *
 *   word 0   how many have come     any thread; the last to come sets it back
 *   word 1   how often all came     the last to come
 */
const ARRIVED_WORD = 0;
const GENERATION_WORD = 1;
const WORDS = 2;
/** Some 20 µs: threads that run at the same time meet within it, and others leave their processor to those they await. */
const SPINS = 5_000;

export class StartLine {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #threads: number;

  constructor(threads: number, memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#threads = threads;
  }

  /** Returns when all threads have come. What each did before, all others see. */
  meet(): void {
    const words = this.#words;
    // Before it comes: the last to come may begin the next generation at once.
    const generation = Atomics.load(words, GENERATION_WORD);
    // Releases what this thread did before to the last one to come.
    if (Atomics.add(words, ARRIVED_WORD, 1) === this.#threads - 1) {
      // Before the generation: those who are let go may come again at once.
      Atomics.store(words, ARRIVED_WORD, 0);
      // Releases what all did before, and lets them go.
      Atomics.add(words, GENERATION_WORD, 1);
      // Those who sleep do not look by themselves.
      Atomics.notify(words, GENERATION_WORD);
      return;
    }
    for (let spin = 0; spin < SPINS; spin++) {
      // Acquires what all did before.
      if (Atomics.load(words, GENERATION_WORD) !== generation) return;
    }
    // The same for one that waits long; it returns at once when the generation has changed.
    while (Atomics.load(words, GENERATION_WORD) === generation)
      Atomics.wait(words, GENERATION_WORD, generation);
  }
}
