import type { Command } from 'commander';
import { sendOrThrow } from '../http-client.ts';
import { ENTITY_ENVIRONMENT, entityCommand, entityUrl, WRITE_EXIT_CODES } from './entity-request.ts';

const MANUAL = `
Deleting a key that does not exist is done as well: its deletion is recorded
like any other.

Examples:
  node cli.ts delete greeting
  node cli.ts delete greeting --ack 3 --from 3

${ENTITY_ENVIRONMENT}

${WRITE_EXIT_CODES}`;

export function deleteCommand(): Command {
  return entityCommand('delete')
    .description('Deletes a key: done once `ack` of its `from` replicas have recorded it on disk.')
    .addHelpText('after', MANUAL)
    .action(async (id: string, _options: unknown, command: Command) => {
      const response = await sendOrThrow({ method: 'DELETE', url: entityUrl(command, id) });
      response.resume();
    });
}
