/**
 * The log for what somebody can make a node say who has proved nothing: one line a kind and minute, with how many
 * were kept back, so that no stranger fills the disk of the log.
 */
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { andMore, RateLimit } from './rate-limit.ts';

const PERIOD_MS = 60_000;

export class StrangerLog<Kind extends string> {
  readonly #log: Pick<Log, 'warn'>;
  readonly #clock: Clock;
  readonly #limits = new Map<Kind, RateLimit>();

  constructor(log: Pick<Log, 'warn'>, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param kind one of a few: each has its own limit, so that noise of one kind hides no other */
  warn(kind: Kind, message: string): void {
    let limit = this.#limits.get(kind);
    if (limit === undefined) {
      limit = new RateLimit(this.#clock, PERIOD_MS);
      this.#limits.set(kind, limit);
    }
    const keptBack = limit.admit();
    if (keptBack >= 0) this.#log.warn(`${message}${andMore(keptBack)}`);
  }
}
