/** What is wrong with a machine's disk at the moment: it is slow, or calls to it fail. */
import {
  type CallHook,
  type FileSystemOperation,
  fileSystemError,
} from '../../../native-free-lsm/simulation/index.ts';
import type { Random } from '../../clock.ts';

/** A disk or a system may refuse these at any time; reads have a fault of their own. */
const CHANGES: ReadonlySet<FileSystemOperation> = new Set([
  'create',
  'openWrite',
  'write',
  'fdatasync',
  'truncate',
  'rename',
  'remove',
  'syncDirectory',
]);

export class DiskFaults {
  /** How long each turn of the engine's threads takes. */
  delayMs = 0;
  /** Room that is left for what is written from now on. */
  leftBytes = Number.POSITIVE_INFINITY;
  /** Whether nothing that was written becomes durable: each sync of a file fails. */
  areSyncsFailing = false;
  /** The share of calls that fail, and with what. */
  #failing: { readonly code: string; readonly share: number; readonly random: Random } | null = null;
  /** How many calls have failed. */
  failures = 0;

  /** @param share of the calls that change something */
  fail(code: string, share: number, random: Random): void {
    this.#failing = { code, share, random };
  }

  mend(): void {
    this.#failing = null;
  }

  readonly hook: CallHook = ({ lengthBytes, operation, path }) => {
    if (this.areSyncsFailing && operation === 'fdatasync') {
      this.failures++;
      throw fileSystemError('EIO', operation, path);
    }
    const failing = this.#failing;
    if (failing === null || !CHANGES.has(operation) || failing.random() >= failing.share) return undefined;
    this.failures++;
    const error = fileSystemError(failing.code, operation, path);
    if (operation === 'write') return { doneBytes: Math.floor(failing.random() * lengthBytes), error };
    throw error;
  };
}
