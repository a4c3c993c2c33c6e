/**
 * What people are told of an error. The project's own errors (of node, engine and commands) are sentences that say what
 * to do. Any other error is a fault of the program, and a report of it needs the stack.
 */
import { errorMessage } from '../errors.ts';
import { CommandError } from './exit-codes.ts';
import { Interrupted } from './interrupted.ts';

export function describeFailure(error: unknown): string {
  if (
    error instanceof CommandError ||
    error instanceof Interrupted ||
    !(error instanceof Error) ||
    ('code' in error && 'canRetry' in error)
  ) {
    return errorMessage(error);
  }
  return error.stack ?? error.message;
}
