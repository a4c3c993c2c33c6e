import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { EngineConditions, Worker } from './conditions.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;

/** Work that is tried again here; of the others somebody else decides. */
export type RetriedWorker = Extract<Worker, 'manifest' | 'flush' | 'compaction'>;

const SAYS: Readonly<Record<RetriedWorker, { readonly fails: string; readonly works: string }>> = {
  manifest: {
    fails: 'writes wait until the manifest can be written, which fails',
    works: 'the manifest can be written again',
  },
  flush: { fails: 'flushes fail', works: 'flushes go well again' },
  compaction: { fails: 'compactions fail', works: 'compactions go well again' },
};

export interface RetryParts {
  readonly clock: EngineClock;
  readonly conditions: EngineConditions;
  readonly report: (message: string) => void;
}

/**
 * When work of a kind that failed is tried again: later after each failure in a row. Says so in the conditions as long
 * as it fails, and to the operator when it begins to, when there is a new reason, and when it works again.
 */
export class Retry {
  readonly #worker: RetriedWorker;
  readonly #parts: RetryParts;
  readonly #onDue: () => void;
  #nextMs = FIRST_RETRY_MS;
  #pending = false;
  /** In a row. */
  #failures = 0;
  /** Of those failures; each is said once. */
  readonly #reasons = new Set<string>();

  constructor(worker: RetriedWorker, parts: RetryParts, onDue: () => void) {
    this.#worker = worker;
    this.#parts = parts;
    this.#onDue = onDue;
  }

  /** Work of this kind waits for its next attempt. */
  get pending(): boolean {
    return this.#pending;
  }

  works(): void {
    this.#over(SAYS[this.#worker].works);
  }

  /** What failed need not be done any more; whether it would go well is not known. */
  notDue(): void {
    this.#over(`no ${this.#worker} that failed is due any more`);
  }

  /** Others of this kind go well while one still fails: after its next failure the wait is short again. */
  startOver(): void {
    this.#nextMs = FIRST_RETRY_MS;
  }

  /** @param isCondition false: what is wrong stands among the conditions already, by another name */
  failed(error: LsmError, isCondition = true): void {
    const { clock, conditions, report } = this.#parts;
    if (isCondition) conditions.failing(this.#worker, error);
    const delayMs = this.#nextMs;
    const reason = reasonOf(error);
    const { fails } = SAYS[this.#worker];
    const again = `tried again in ${delayMs} ms, then more and more rarely`;
    if (this.#failures === 0) report(`${fails}, ${again}: ${error.message}`);
    else if (!this.#reasons.has(reason))
      report(`${fails} for another reason now, ${again}: ${error.message}`);
    this.#failures++;
    this.#reasons.add(reason);
    if (this.#pending) return;
    this.#pending = true;
    this.#nextMs = Math.min(this.#nextMs * 2, LAST_RETRY_MS);
    clock.after(delayMs, () => {
      this.#pending = false;
      this.#onDue();
    });
  }

  #over(says: string): void {
    const { conditions, report } = this.#parts;
    conditions.works(this.#worker);
    this.#nextMs = FIRST_RETRY_MS;
    if (this.#failures === 0) return;
    const failed = this.#failures === 1 ? 'one failure' : `${this.#failures} failures in a row`;
    this.#failures = 0;
    this.#reasons.clear();
    report(`${says}, after ${failed}`);
  }
}

/** Each attempt writes files with numbers of its own; where a file is damaged is a reason of its own. */
function reasonOf({ code, message }: LsmError): string {
  return code === 'CORRUPTION' ? message : message.replace(/\d+/g, '');
}
