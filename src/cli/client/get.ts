import type { Command } from 'commander';
import { PROGRAM } from '../../program.ts';
import { ExitCode, exitCodesManual } from '../exit-codes.ts';
import { writeBody } from '../output.ts';
import {
  CONDITIONS_MANUAL,
  ENTITY_ENVIRONMENT,
  EXPLAIN_MANUAL,
  entityCommand,
  entityRequest,
  sendEntity,
} from './entity-request.ts';

const MANUAL = `
The value's bytes go to stdout unchanged and nothing is added. When the key does
not exist, nothing is written there and the exit code says so.

--repair write-back first brings the newest version to as many replicas as must
answer, where they differ; async does so after the answer. Without it, it is as the
node is set (--read-repair of serve).

${CONDITIONS_MANUAL}

${EXPLAIN_MANUAL}

Examples:
  ${PROGRAM} get greeting
  ${PROGRAM} get photo > photo.jpg
  ${PROGRAM} get greeting --ack 1 --from 3       # the fastest replica's answer
  ${PROGRAM} get greeting --consistency linearizable
  ${PROGRAM} get greeting --explain
  ${PROGRAM} get greeting --url http://127.0.0.1:19236

${ENTITY_ENVIRONMENT}

${exitCodesManual(Object.values(ExitCode).filter((code) => code !== ExitCode.damaged))}`;

export function getCommand(): Command {
  return entityCommand('get')
    .description('Writes the value of a key to stdout: the freshest that `ack` of its `from` replicas know.')
    .option('--repair <when>', 'write-back or async: when replicas that differ are mended')
    .addHelpText('after', MANUAL)
    .action(async (id: string, _options: unknown, command: Command) => {
      const absent = `the key ${JSON.stringify(id)} does not exist`;
      const request = entityRequest(command, 'GET', id);
      const response = await sendEntity(command, request, absent);
      if (response !== null) await writeBody(request.url, response);
    });
}
