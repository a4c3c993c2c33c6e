/**
 * The engine's errors in the few words a replica answers with. They are told apart by their `code`, not by their
 * class, so that any StorageEngine can report them.
 */
import { errorMessage, QuorateError } from '../errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  NO_SPACE: 'disk full',
  READ_ONLY: 'disk read-only',
  OVERLOADED: 'overloaded',
  POISONED: 'takes no writes until it is restarted',
  CORRUPTION: 'damaged data',
  CLOSED: 'stopping',
  WORKER_DIED: 'a storage thread died',
};

/** Expected under load or while stopping: counted and answered, not logged. */
const EXPECTED: ReadonlySet<string> = new Set(['OVERLOADED', 'CLOSED']);

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

export function storageReason(error: Error): string {
  return REASONS[codeOf(error)] ?? 'storage error';
}

/** A sync failed or the writer thread died: the engine acknowledges nothing more until it is opened again. */
export function isPoison(error: Error): boolean {
  return codeOf(error) === 'POISONED';
}

export function isExpected(error: Error): boolean {
  return EXPECTED.has(codeOf(error));
}

export function storageError(error: unknown): QuorateError {
  if (!(error instanceof Error)) return new QuorateError('STORAGE', errorMessage(error), error);
  const code = codeOf(error);
  if (code === 'OVERLOADED') return new QuorateError('OVERLOADED', 'The storage engine is overloaded', error);
  if (code === 'CLOSED') return new QuorateError('DRAINING', 'The node is stopping', error);
  return new QuorateError('STORAGE', `The storage engine failed: ${error.message}`, error);
}
