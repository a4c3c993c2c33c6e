import { ControlWord } from '../shared/control.ts';

/** Waits for the bell that pool threads ring with their answers, without blocking, until it is closed. */
export class ResponseBell {
  readonly #words: Int32Array;
  /** See the constructor. */
  readonly #never = new Int32Array(new SharedArrayBuffer(4));
  readonly #onResponses: () => void;
  #closed = false;

  constructor(control: SharedArrayBuffer, onResponses: () => void) {
    this.#words = new Int32Array(control);
    this.#onResponses = onResponses;
    // V8 has a table of the promises of waits, and makes a new one each time when the last wait has ended; once the table
    // is old all of these are old, too, and garbage for long: 8 bytes a get. So there is always another wait. Nothing is
    // ordered by it.
    Atomics.waitAsync(this.#never, 0, 0);
  }

  readonly listen = (): void => {
    while (!this.#closed) {
      // Acquire, and before the responses are drained: a response that is published in between changes the value...
      const seen = Atomics.load(this.#words, ControlWord.doorbell);
      this.#onResponses();
      // ...so that this wait, which compares the value, returns at once, and no response is missed.
      const wait = Atomics.waitAsync(this.#words, ControlWord.doorbell, seen);
      if (wait.async) {
        wait.value.then(this.listen);
        return;
      }
    }
  };

  /** Nobody is called any more. */
  silence(): void {
    this.#closed = true;
  }

  /** Call it when the threads have ended, after `silence`. */
  close(): void {
    // V8 keeps a wait that nothing ends, and with it all that its promise leads to: the memory of the whole engine. The
    // value stays as it is, as nobody is left who would compare it.
    Atomics.notify(this.#words, ControlWord.doorbell);
    // The same goes for the other wait.
    Atomics.notify(this.#never, 0);
  }
}
