/**
 * What keeps a node from doing all it should: a disk that is full, a damaged table, a clock that is wrong. Each is
 * raised when it is noticed and cleared when it is gone; while there is one, the node is *degraded* and says so, in
 * its log once at either edge and in its status for as long.
 */
export interface Condition {
  /** For programs, in capitals: NO_SPACE, READ_ONLY, DAMAGED_TABLE, CLOCK_OFF. One of each at a time. */
  readonly code: string;
  /** A sentence for people: what is wrong, where, and what to do. */
  readonly message: string;
  /** Since when, in ms since the Unix epoch. */
  readonly sinceMs: number;
  /** Whether the node refuses clients' writes meanwhile. */
  readonly stopsWrites: boolean;
}

export interface ConditionsOptions {
  readonly clock: { nowMs(): number };
  readonly log: { info(message: string): void; error(message: string): void };
}

export class Conditions {
  readonly #options: ConditionsOptions;
  readonly #raised = new Map<string, Condition>();

  constructor(options: ConditionsOptions) {
    this.#options = options;
  }

  /** Raised again with other words it keeps its time. */
  raise(code: string, message: string, stopsWrites: boolean): void {
    const { clock, log } = this.#options;
    const before = this.#raised.get(code);
    this.#raised.set(code, { code, message, stopsWrites, sinceMs: before?.sinceMs ?? clock.nowMs() });
    if (before === undefined) log.error(message);
  }

  /** @param message what an operator reads in the log, if it was raised */
  clear(code: string, message: string): void {
    if (this.#raised.delete(code)) this.#options.log.info(message);
  }

  list(): readonly Condition[] {
    return [...this.#raised.values()];
  }
}
