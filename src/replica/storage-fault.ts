/**
 * Turns the engine's errors into a replica's answers: a code, and a few words for people. It looks at their `code` and
 * not at their class, so that any StorageEngine can report them.
 */
import { errorMessage, QuorateError } from '../errors.ts';
import { FailureCode } from '../failure.ts';
import { failed, type ReplicaReply } from '../reply.ts';

/** By the engine's code. */
const REPLIES: Readonly<Record<string, ReplicaReply>> = {
  NO_SPACE: failed(FailureCode.noSpace, 'disk full'),
  READ_ONLY: failed(FailureCode.readOnly, 'disk read-only'),
  OVERLOADED: failed(FailureCode.overloaded, 'overloaded'),
  POISONED: failed(FailureCode.poisoned, 'takes no writes until it is restarted'),
  CORRUPTION: failed(FailureCode.corruption, 'damaged data'),
  CLOSED: failed(FailureCode.stopping, 'stopping'),
  WORKER_DIED: failed(FailureCode.workerDied, 'a storage thread died'),
};
const OTHER = failed(FailureCode.storage, 'storage error');

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** @param error null: the engine gave none */
export function storageFailure(error: Error | null): ReplicaReply {
  return error === null ? OTHER : (REPLIES[codeOf(error)] ?? OTHER);
}

/** Whether a sync failed or the writer thread died: the engine acknowledges nothing until it is opened again. */
export function isPoison(error: Error): boolean {
  return storageFailure(error).code === FailureCode.poisoned;
}

/** Whether the error is expected under load or while stopping: it is counted and answered, but not logged. */
export function isExpected(error: Error): boolean {
  const { code } = storageFailure(error);
  return code === FailureCode.overloaded || code === FailureCode.stopping;
}

/** Whether an error of `storageError` says that the disk has lost what was asked for, or cannot read it. */
export function isUnreadable(error: unknown): boolean {
  if (!(error instanceof QuorateError) || !(error.cause instanceof Error)) return false;
  return codeOf(error.cause) === 'CORRUPTION' || codeOf(error.cause) === 'IO_ERROR';
}

export function storageError(error: unknown): QuorateError {
  if (!(error instanceof Error)) return new QuorateError('STORAGE', errorMessage(error), error);
  const { code } = storageFailure(error);
  if (code === FailureCode.overloaded)
    return new QuorateError('OVERLOADED', 'The storage engine is overloaded', error);
  if (code === FailureCode.stopping) return new QuorateError('DRAINING', 'The node is stopping', error);
  return new QuorateError('STORAGE', `The storage engine failed: ${error.message}`, error);
}
