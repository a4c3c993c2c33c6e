import { LsmError } from '../errors.ts';
import { ProcessHold } from '../threads/process-hold.ts';
import { Retry, type RetryParts } from './retry.ts';

/** What has no thread for a moment may have one soon: only after so many failures in a row are those who wait told. */
const PATIENT_FAILURES = 3;

const SAYS = {
  readers:
    'a reader thread cannot be started, so reads that memory cannot answer are left to the others, and fail where there is none; getSync reads on the calling thread',
  writer: 'the writer thread cannot be started, so writes fail, and nothing of them is kept',
} as const;

/**
 * Has threads of a role started again that could not be: later after each failure in a row, for as long as the engine is
 * open. A role that has begun is none of them, whatever became of it then.
 */
export class RoleStarts {
  readonly #says: string;
  readonly #retry: Retry;
  /** Meanwhile nothing else need keep the process alive, and a timer does not. */
  readonly #hold = new ProcessHold();
  #failures = 0;
  #isClosed = false;

  constructor(role: keyof typeof SAYS, parts: RetryParts, start: () => void) {
    this.#says = SAYS[role];
    this.#retry = new Retry(role, parts, () => {
      if (!this.#isClosed) start();
    });
  }

  /** Whether the next attempt is waited for. */
  get isWaiting(): boolean {
    return this.#retry.pending;
  }

  /** @returns what those are told who wait; undefined: they wait on */
  failed(cause: Error): LsmError | undefined {
    if (this.#isClosed) return undefined;
    if (this.#failures === 0) this.#hold.take();
    if (!this.#retry.pending) this.#failures++;
    const error = new LsmError('WORKER_DIED', `${this.#says}: ${cause.message}`, { cause });
    this.#retry.failed(error);
    return this.#failures < PATIENT_FAILURES ? undefined : error;
  }

  /** All of them have begun. */
  began(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#hold.letGo();
    this.#retry.works();
  }

  /** Nothing is started any more. */
  close(): void {
    if (this.#failures > 0 && !this.#isClosed) this.#hold.letGo();
    this.#isClosed = true;
  }
}
