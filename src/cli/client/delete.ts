import type { Command } from 'commander';
import { PROGRAM } from '../../program.ts';
import {
  CONDITIONS_MANUAL,
  ENTITY_ENVIRONMENT,
  EXPLAIN_MANUAL,
  entityCommand,
  entityRequest,
  sendEntity,
  WRITE_EXIT_CODES,
} from './entity-request.ts';

const MANUAL = `
Deleting a key that does not exist is done as well: its deletion is recorded
like any other.

${CONDITIONS_MANUAL}

${EXPLAIN_MANUAL}

Examples:
  ${PROGRAM} delete greeting
  ${PROGRAM} delete greeting --ack 3 --from 3
  ${PROGRAM} delete greeting --if-match 0015735d41c6e8-9f8e7d6c

${ENTITY_ENVIRONMENT}

${WRITE_EXIT_CODES}`;

export function deleteCommand(): Command {
  return entityCommand('delete')
    .description('Deletes a key: done once `ack` of its `from` replicas have recorded it on disk.')
    .addHelpText('after', MANUAL)
    .action(async (id: string, _options: unknown, command: Command) => {
      const response = await sendEntity(command, entityRequest(command, 'DELETE', id));
      response?.resume();
    });
}
