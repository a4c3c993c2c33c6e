/** How the `lsm` commands end when they meet damage. */
import { LsmError } from '../../native-free-lsm/index.ts';
import { QuorateError } from '../errors.ts';
import { CommandError, ExitCode } from './exit-codes.ts';
import { inUse } from './lsm-folder.ts';

/** What is to be thrown for an error met while a folder was read: damage has an exit code of its own. */
export function damageFailure(error: unknown, directory: string): unknown {
  if (!(error instanceof LsmError)) return error;
  if (error.code === 'CORRUPTION') {
    return new CommandError(
      ExitCode.damaged,
      `${error.message}; \`lsm verify ${directory}\` lists all damage, \`lsm repair ${directory}\` says what can be saved`,
    );
  }
  const failure = inUse(directory, error);
  return failure instanceof LsmError ? new QuorateError('STORAGE', error.message, error) : failure;
}
