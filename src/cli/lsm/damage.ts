/** How the `lsm` commands end when they meet damage. */
import { type Damage, LsmError } from '../../../native-free-lsm/index.ts';
import { QuorateError } from '../../errors.ts';
import { IDENTITY_FILE, type Identity } from '../../replica/identity-file.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { inUse, type LsmFolder, readIdentity } from './folder.ts';

/** No repair makes one up: it says which node's folder this is, and whether its reads count. */
export const IDENTITY_ADVICE = `put ${IDENTITY_FILE} back from a copy; where there is none, start the node with an empty folder`;

/** What is wrong with the one file of a node's folder that is not the engine's; nothing, or one damage. */
export function identityDamages(folder: LsmFolder): Damage[] {
  try {
    readIdentity(folder);
    return [];
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    const offset = /at byte (\d+)/.exec(error.message)?.[1];
    return [
      {
        code: 'CORRUPTION',
        file: `${folder.node}/${IDENTITY_FILE}`,
        offset: offset === undefined ? null : Number(offset),
        message: error.message,
      },
    ];
  }
}

/**
 * Whose folder it is; null when it is no node's.
 * @throws CommandError with the exit code of damage
 */
export function requireIdentity(folder: LsmFolder): Identity | null {
  try {
    return readIdentity(folder);
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error;
    throw new CommandError(ExitCode.damaged, `${error.message}; ${IDENTITY_ADVICE}`);
  }
}

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
