import type { LsmError } from '../errors.ts';
import { ControlWord } from '../shared/control.ts';
import { toLsmError } from '../threads/protocol/errors.ts';
import { Retry, type RetryParts } from './retry.ts';
import type { VersionCommits } from './version-commits.ts';

interface LogNoteParts extends RetryParts {
  readonly words: Int32Array;
  readonly commits: VersionCommits;
  /** Whether nothing may be written now: `look` is called when that is over. */
  readonly isHeld: () => boolean;
  /** It has failed or succeeded: the writer waits for it. */
  readonly onTried: () => void;
}

/**
 * Makes the manifest say that the first log of this run was begun, before the writer acknowledges anything from it:
 * when that log is missing at the next start, it is noticed. For later logs, the mark at the end of the log before says
 * so, which costs no further sync.
 */
export class LogNote {
  readonly #parts: LogNoteParts;
  readonly #retry: Retry;
  #generation = 0;
  #isDue = false;
  #closed = false;

  constructor(parts: LogNoteParts) {
    this.#parts = parts;
    this.#retry = new Retry('manifest', parts, () => this.look());
  }

  /** The writer has begun its first log, durable with its name. */
  begun(generation: number): void {
    this.#generation = generation;
    this.#isDue = true;
    this.look();
  }

  /** Does what is due. */
  look(): void {
    if (!this.#isDue || this.#closed || this.#retry.pending || this.#parts.isHeld()) return;
    this.#isDue = false;
    this.#note();
  }

  close(): void {
    this.#closed = true;
  }

  async #note(): Promise<void> {
    const { commits, words } = this.#parts;
    try {
      await commits.note({ begunGeneration: this.#generation });
    } catch (error) {
      this.#failed(toLsmError(error, 'manifest'));
      return;
    }
    this.#retry.works();
    // Release: a writer that sees it may acknowledge, because the note is durable.
    Atomics.store(words, ControlWord.notedGeneration, this.#generation);
    this.#parts.onTried();
  }

  #failed(error: LsmError): void {
    if (this.#closed) return;
    this.#isDue = true;
    this.#retry.failed(error);
    this.#parts.onTried();
  }
}
