import type { EngineCondition } from '../native-free-lsm/index.ts';

/**
 * Conditions keep a node from doing all it should: a full disk, a damaged table, a wrong clock. Each is raised when it
 * is noticed and cleared when it is gone. While there is one, the node is *degraded*: it says so in its status, and in
 * its log once when the condition is raised and once when it is cleared.
 */
export type Condition = EngineCondition;

interface ConditionsOptions {
  readonly clock: { nowMs(): number };
  readonly log: { info(message: string): void; error(message: string): void };
}

export class Conditions {
  readonly #options: ConditionsOptions;
  readonly #raised = new Map<string, Condition>();

  constructor(options: ConditionsOptions) {
    this.#options = options;
  }

  /** A condition that is raised again with another message keeps its time. */
  raise(code: string, message: string, stopsWrites: boolean): void {
    const { clock, log } = this.#options;
    const before = this.#raised.get(code);
    this.#raised.set(code, { code, message, stopsWrites, sinceMs: before?.sinceMs ?? clock.nowMs() });
    if (before === undefined) log.error(message);
  }

  /** @param message the line for the log, if the condition was raised */
  clear(code: string, message: string): void {
    if (this.#raised.delete(code)) this.#options.log.info(message);
  }

  list(): readonly Condition[] {
    return [...this.#raised.values()];
  }
}
