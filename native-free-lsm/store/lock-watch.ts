import { LsmError } from '../errors.ts';
import type { DirectoryLock } from '../fs/file-system.ts';

interface LockWatchParts {
  readonly path: string;
  readonly lock: Pick<DirectoryLock, 'isInPlace'>;
  /** Called once. */
  readonly onLost: (fault: LsmError) => void;
}

/**
 * Notices that the lock file was removed or replaced while the engine runs, as people do who think that a stale one keeps
 * them from opening: whoever opens the directory then gets a lock of its own, and two engines remove each other's files.
 * (SQLite looks for the same before it writes to a database.)
 */
export class LockWatch {
  readonly #parts: LockWatchParts;
  #fault: LsmError | undefined;

  constructor(parts: LockWatchParts) {
    this.#parts = parts;
  }

  /** Whether the directory may be another engine's now: nothing of it may be changed any more. */
  get isLost(): boolean {
    return this.#fault !== undefined;
  }

  /** @throws LsmError POISONED when it is lost */
  async check(): Promise<void> {
    const { lock, onLost, path } = this.#parts;
    const isInPlace = this.#fault === undefined && (await lock.isInPlace());
    if (isInPlace) return;
    if (this.#fault === undefined) {
      const what = `${path} was removed or replaced while this engine has the directory open`;
      const advice = 'stop every process that uses the directory, verify it, and open it again';
      this.#fault = new LsmError(
        'POISONED',
        `${what}, so another process may have opened it, too, and nothing more is written: ${advice}`,
        { file: path },
      );
      onLost(this.#fault);
    }
    throw this.#fault;
  }
}
