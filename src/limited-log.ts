/**
 * A log for events that others can cause again and again: strangers, peers whose clock is wrong, a disk that fails. It
 * writes one line per kind and period, with the number of lines suppressed since, so that nobody can fill the log's
 * disk. For a node that fails repeatedly for the same reason it writes one line until the reason changes.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** The number of nodes remembered; when there are more, the oldest is forgotten. */
const MAX_TOLD_NODES = 64;

interface Limit {
  nextAtMs: number;
  keptBack: number;
}

export class LimitedLog<Kind extends string> {
  readonly #log: Pick<Log, 'warn' | 'error'>;
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #limits = new Map<Kind, Limit>();
  /** The last reason that was logged, by node. */
  readonly #told = new Map<string, string>();

  constructor(log: Pick<Log, 'warn' | 'error'>, clock: Clock, periodMs: number) {
    this.#log = log;
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** @param kind one of a few: each has its own limit, so that noise of one kind hides no other */
  warn(kind: Kind, message: string): void {
    const limit = this.#admit(kind);
    if (limit !== null) this.#log.warn(`${message}${andMore(limit)}`);
  }

  error(kind: Kind, message: string): void {
    const limit = this.#admit(kind);
    if (limit !== null) this.#log.error(`${message}${andMore(limit)}`);
  }

  /**
   * Logs nothing when the same reason was logged last for this node. A suppressed line does not count as logged: it is
   * logged when the event happens again.
   * @param reason decides whether two messages are the same, whatever else they name
   */
  warnOf(nodeId: string, kind: Kind, reason: string, message: string): void {
    if (this.#told.get(nodeId) === reason) return;
    const limit = this.#admit(kind);
    if (limit === null) return;
    this.#told.delete(nodeId);
    this.#told.set(nodeId, reason);
    if (this.#told.size > MAX_TOLD_NODES)
      for (const [first] of this.#told.entries().take(1)) this.#told.delete(first);
    this.#log.warn(`${message}${andMore(limit)}`);
  }

  /** The reason that was logged for the node is over: if it comes again, it is news. */
  forget(nodeId: string): void {
    this.#told.delete(nodeId);
  }

  /** Null: the line is suppressed. */
  #admit(kind: Kind): Limit | null {
    let limit = this.#limits.get(kind);
    if (limit === undefined) {
      limit = { nextAtMs: Number.NEGATIVE_INFINITY, keptBack: 0 };
      this.#limits.set(kind, limit);
    }
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < limit.nextAtMs) {
      limit.keptBack++;
      return null;
    }
    limit.nextAtMs = nowMs + this.#periodMs;
    return limit;
  }
}

/** The end of a line: how many were suppressed before it. The count starts again. */
function andMore(limit: Limit): string {
  const { keptBack } = limit;
  limit.keptBack = 0;
  return keptBack === 0 ? '' : ` (and ${keptBack} more since the last such message)`;
}
