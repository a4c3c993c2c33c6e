/**
 * The log for what somebody else can make a node say again and again: strangers, peers whose clock is wrong, a disk
 * that fails. One line a kind and period, with how many were kept back, so that nobody fills the disk of the log; and
 * of a node that comes back for the same reason, one line until it is a different reason.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Of the nodes told of, the one told of first is forgotten when there are more. */
const MAX_NODES = 64;

interface Limit {
  nextAtMs: number;
  keptBack: number;
}

export class LimitedLog<Kind extends string> {
  readonly #log: Pick<Log, 'warn' | 'error'>;
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #limits = new Map<Kind, Limit>();
  /** By node, the reason that was told last. */
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
   * Nothing when the same was told of the node last. What is kept back has not been told: it is when it is said again.
   * @param reason what makes it the same, whatever else the message names
   */
  warnOf(nodeId: string, kind: Kind, reason: string, message: string): void {
    if (this.#told.get(nodeId) === reason) return;
    const limit = this.#admit(kind);
    if (limit === null) return;
    this.#told.delete(nodeId);
    this.#told.set(nodeId, reason);
    if (this.#told.size > MAX_NODES)
      for (const [first] of this.#told.entries().take(1)) this.#told.delete(first);
    this.#log.warn(`${message}${andMore(limit)}`);
  }

  /** What was told of the node is over: if it is once again, that is news. */
  forget(nodeId: string): void {
    this.#told.delete(nodeId);
  }

  /** Null: it is kept back. */
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

/** What a line says of those that were kept back before it; they are counted anew from then on. */
function andMore(limit: Limit): string {
  const { keptBack } = limit;
  limit.keptBack = 0;
  return keptBack === 0 ? '' : ` (and ${keptBack} more since the last such message)`;
}
