import type { Command } from 'commander';
import { ExitCode, exitCodesManual } from '../exit-codes.ts';
import { sendOrThrow } from '../http-client.ts';
import { writeBody } from '../output.ts';
import { ENTITY_ENVIRONMENT, entityCommand, entityUrl } from './entity-request.ts';

const MANUAL = `
The value's bytes go to stdout unchanged and nothing is added. When the key does
not exist, nothing is written there and the exit code says so.

Examples:
  node cli.ts get greeting
  node cli.ts get photo > photo.jpg
  node cli.ts get greeting --ack 1 --from 3       # the fastest replica's answer
  node cli.ts get greeting --url http://127.0.0.1:19236

${ENTITY_ENVIRONMENT}

${exitCodesManual(Object.values(ExitCode).filter((code) => code !== ExitCode.damaged))}`;

export function getCommand(): Command {
  return entityCommand('get')
    .description('Writes the value of a key to stdout: the freshest that `ack` of its `from` replicas know.')
    .addHelpText('after', MANUAL)
    .action(async (id: string, _options: unknown, command: Command) => {
      const url = entityUrl(command, id);
      const absent = `the key ${JSON.stringify(id)} does not exist`;
      await writeBody(url, await sendOrThrow({ method: 'GET', url }, absent));
    });
}
