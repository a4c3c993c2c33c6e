import { ControlWord } from '../shared/control.ts';

/** Waits for the bell that pool threads ring with their answers, without blocking, until it is closed. */
export class ResponseBell {
  readonly #words: Int32Array;
  readonly #onResponses: () => void;
  #closed = false;

  constructor(control: SharedArrayBuffer, onResponses: () => void) {
    this.#words = new Int32Array(control);
    this.#onResponses = onResponses;
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
  }
}
