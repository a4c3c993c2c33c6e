import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import { errorMessage } from '../../errors.ts';
import { PROGRAM } from '../../program.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { textOption } from '../options.ts';
import {
  CONDITIONS_MANUAL,
  ENTITY_ENVIRONMENT,
  EXPLAIN_MANUAL,
  entityCommand,
  entityRequest,
  sendEntity,
  WRITE_EXIT_CODES,
} from './entity-request.ts';

/** No node takes more, whatever its settings: a longer input is refused before it fills the memory. */
const MAX_VALUE_BYTES = 16 * 2 ** 20;

const MANUAL = `
Without --value and --file the value is read from stdin. It is stored byte for
byte, up to the nodes' --max-value-size (1MiB unless they were told otherwise);
the empty value is a value too.

With --ttl the value expires: 90s, 10m, 2h, 7d, or a number of seconds, up to 3650d.
A later put without --ttl has no end again.

${CONDITIONS_MANUAL}

${EXPLAIN_MANUAL}

Examples:
  ${PROGRAM} put greeting --value hello
  ${PROGRAM} put photo --file photo.jpg
  date | ${PROGRAM} put now
  ${PROGRAM} put session --value x --ttl 10m
  ${PROGRAM} put invitation --value open --ttl 7d --if-none-match '*'
  ${PROGRAM} put greeting --value hello --ack 3 --from 3  # only if every replica has it

${ENTITY_ENVIRONMENT}

${WRITE_EXIT_CODES}`;

export function putCommand(): Command {
  return entityCommand('put')
    .description('Stores a value: done once `ack` of its `from` replicas have it on disk.')
    .option('--value <text>', 'the value itself, as UTF-8')
    .option('--file <path>', 'file that holds the value')
    .option('--ttl <time>', 'for how long it lives: 90s, 10m, 2h, 7d')
    .addHelpText('after', MANUAL)
    .action(async (id: string, _options: unknown, command: Command) => {
      const request = entityRequest(command, 'PUT', id);
      const response = await sendEntity(command, { ...request, body: await inputOf(command) });
      response?.resume();
    });
}

async function inputOf(command: Command): Promise<Uint8Array> {
  const value = textOption(command, 'value');
  const file = textOption(command, 'file');
  if (value !== undefined && file !== undefined) {
    throw new CommandError(ExitCode.error, 'either --value or --file says what to store, not both');
  }
  if (value !== undefined) {
    return Buffer.from(value);
  }
  return file === undefined ? readValue(process.stdin, 'stdin') : readValue(createReadStream(file), file);
}

async function readValue(source: Readable, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let totalBytes = 0;
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      totalBytes += chunk.byteLength;
      if (totalBytes > MAX_VALUE_BYTES) {
        break;
      }
    }
  } catch (error) {
    throw new CommandError(ExitCode.error, `the value cannot be read from ${name}: ${errorMessage(error)}`);
  }
  if (totalBytes > MAX_VALUE_BYTES) {
    throw new CommandError(
      ExitCode.error,
      `the value from ${name} is longer than 16MiB, the most a node takes`,
    );
  }
  return Buffer.concat(chunks, totalBytes);
}
