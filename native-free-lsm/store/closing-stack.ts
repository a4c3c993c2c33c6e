type Close = () => Promise<void> | void;

/**
 * What an open store has to close: the last that was opened is closed first. It is the part of AsyncDisposableStack that
 * is needed here, which Node 22 does not have.
 */
export class ClosingStack implements AsyncDisposable {
  readonly #closes: Close[] = [];
  #begun = false;

  /** Whether the closing has begun. */
  get isClosing(): boolean {
    return this.#begun;
  }

  defer(close: Close): void {
    this.#closes.push(close);
  }

  /**
   * Closes all, also when one of them fails.
   * @throws the first failure, or an AggregateError of all when there are several
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#begun = true;
    const failures: unknown[] = [];
    for (let close = this.#closes.pop(); close !== undefined; close = this.#closes.pop()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '));
  }
}
