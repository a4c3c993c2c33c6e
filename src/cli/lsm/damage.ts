/** How the `lsm` commands end when they meet damage. */
import { type Damage, LsmError } from '../../../native-free-lsm/index.ts';
import { QuorateError } from '../../errors.ts';
import { IDENTITY_FILE, type Identity } from '../../replica/identity-file.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { inUse, type LsmFolder, readIdentity } from './folder.ts';

/** No repair can make this file up: it says which node the folder belongs to, and whether its reads count. */
export const IDENTITY_ADVICE = `put ${IDENTITY_FILE} back from a copy; where there is none, start the node with an empty folder`;

/** Checks the one file of a node's folder that does not belong to the engine. Returns no damage, or one. */
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
 * @returns the identity of the folder's node; null when the folder belongs to no node
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

/** @returns the error to throw for one that was met while a folder was read: damage has an exit code of its own */
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
