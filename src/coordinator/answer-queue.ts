export interface Answerable {
  answer(): void;
}

/**
 * Keeps answers back while a request is being sent. An answer is a call to whoever asked, who may start the next
 * request in it; were that sent in the middle of another's sending, the write that is encoded once for all peers
 * would be overwritten between two of them. So nothing is answered before everything is sent, and what is decided
 * while an answer is given waits behind it, however many there are, without growing the stack.
 */
export class AnswerQueue {
  readonly #held: Answerable[] = [];
  #depth = 0;

  /** To be followed by one `release`, whatever happens. */
  hold(): void {
    this.#depth++;
  }

  release(): void {
    try {
      if (this.#depth === 1)
        for (let next = this.#held.shift(); next; next = this.#held.shift()) next.answer();
    } finally {
      this.#depth--;
    }
  }

  /** Lets it answer: at once unless answers are held. */
  add(answerable: Answerable): void {
    this.hold();
    this.#held.push(answerable);
    this.release();
  }
}
