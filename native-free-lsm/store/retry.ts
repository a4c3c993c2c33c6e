import type { EngineClock } from '../clock.ts';
import type { LsmError } from '../errors.ts';
import type { EngineConditions, Worker } from './conditions.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 10_000;
/** Calls wait for a role, and are refused when its start fails: they are to know soon. */
const LAST_ROLE_RETRY_MS = 2_000;

/** Work that is tried again here; for other work somebody else decides. */
type RetriedWorker = Exclude<Worker, 'opening' | 'log'>;

const SAYS: Readonly<Record<RetriedWorker, { readonly fails: string; readonly works: string }>> = {
  tables: {
    fails: 'what threads do is refused until all tables are loaded, which fails',
    works: 'all tables are loaded',
  },
  manifest: {
    fails: 'writes wait until the manifest can be written, which fails',
    works: 'the manifest can be written again',
  },
  flush: { fails: 'flushes fail', works: 'flushes go well again' },
  compaction: { fails: 'compactions fail', works: 'compactions go well again' },
  readers: { fails: 'reader threads are missing', works: 'all reader threads are there again' },
  writer: { fails: 'the writer thread is missing', works: 'the writer thread is there' },
};

export interface RetryParts {
  readonly clock: EngineClock;
  readonly conditions: EngineConditions;
  readonly report: (message: string) => void;
}

/**
 * Decides when failed work of one kind is tried again: later after each failure in a row. It is a condition as long as
 * it fails. The operator is told when it begins to fail, when there is a new reason, and when it works again.
 */
export class Retry {
  readonly #worker: RetriedWorker;
  readonly #parts: RetryParts;
  readonly #onDue: () => void;
  #nextMs = FIRST_RETRY_MS;
  #pending = false;
  /** In a row. */
  #failures = 0;
  /** The reasons of those failures; each is reported once. */
  readonly #reasons = new Set<string>();

  constructor(worker: RetriedWorker, parts: RetryParts, onDue: () => void) {
    this.#worker = worker;
    this.#parts = parts;
    this.#onDue = onDue;
  }

  /** Whether work of this kind waits for its next attempt. */
  get pending(): boolean {
    return this.#pending;
  }

  works(): void {
    this.#over(SAYS[this.#worker].works);
  }

  /** The failed work need not be done any more; it is not known whether it would succeed. */
  notDue(): void {
    this.#over(`no ${this.#worker} that failed is due any more`);
  }

  /** Others of this kind succeed while one still fails: after its next failure the wait is short again. */
  startOver(): void {
    this.#nextMs = FIRST_RETRY_MS;
  }

  /** @param isCondition false: the conditions have the fault already, under another name */
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
    const isRole = this.#worker === 'readers' || this.#worker === 'writer';
    this.#nextMs = Math.min(this.#nextMs * 2, isRole ? LAST_ROLE_RETRY_MS : LAST_RETRY_MS);
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

/**
 * Each attempt writes files with numbers of its own, so numbers are ignored; but the place of damage is a reason of its
 * own.
 */
function reasonOf({ code, message }: LsmError): string {
  return code === 'CORRUPTION' ? message : message.replace(/\d+/g, '');
}
