/** What `get`, `put` and `delete` share: their options, the URL and headers of their requests, and `--explain`. */
import { type IncomingMessage, STATUS_CODES, validateHeaderValue } from 'node:http';
import { Command } from 'commander';
import { type ClientSettings, clientSettings } from '../../config.ts';
import { CommandError, ExitCode, exitCodeOfStatus, exitCodesManual } from '../exit-codes.ts';
import { readObject, refusalOf, send, sendOrThrow } from '../http-client.ts';
import { addSettings, environmentManual, readSettings, textOption } from '../options.ts';
import { print } from '../output.ts';
import { type QuorumSettings, quorumSettings } from '../quorum-settings.ts';
import { describeExplanation } from './explanation-table.ts';

/** Names that a node gives to versions: what it shows between quotes. */
const BARE_TAG = /^[0-9a-f]{14}-[0-9a-f]{8}$/;

export const CONDITIONS_MANUAL = `--if-match and --if-none-match take the ETag of a value, several with commas between
them, or * for any value. --explain shows it, as the ETag header of every answer
with a value does. The command does nothing, with exit code 8, when the value of
the key is not one of those, or is one of those. Two such writes at the same time may
both succeed: only for one writer at a time is it a compare-and-set (README).`;

export const EXPLAIN_MANUAL = `--explain prints how the request went, and no value: which nodes were asked, why
and when, what each of them said, and what is done about replicas that lag
behind. In the time line = is the time until the answer (>), and ? no answer. The
answer is given when all have answered, or the time of the request is over.`;

export function entityCommand(name: string): Command {
  const command = new Command(name).argument(
    '<id>',
    'the key, at most 4 KiB of text; `--` goes before one that starts with -',
  );
  return addSettings(addSettings(command, clientSettings), quorumSettings)
    .option('--consistency <kind>', 'default, or linearizable: as if there were one copy (see README)')
    .option('--if-match <etag>', 'only if the value has this ETag; * for any')
    .option('--if-none-match <etag>', 'only if it has another one, or there is none; * for no value at all')
    .option('--explain', 'print how the request went, replica by replica');
}

export const ENTITY_ENVIRONMENT = environmentManual({ ...clientSettings, ...quorumSettings });

/** How `put` and `delete` may end. */
export const WRITE_EXIT_CODES = exitCodesManual([
  ExitCode.ok,
  ExitCode.error,
  ExitCode.notEnoughReplicas,
  ExitCode.overloaded,
  ExitCode.unreachable,
  ExitCode.output,
  ExitCode.conditionFailed,
]);

interface EntityRequestParts {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** @returns the request that the command's flags ask for */
export function entityRequest(
  command: Command,
  method: 'GET' | 'PUT' | 'DELETE',
  id: string,
): EntityRequestParts {
  if (id === '') {
    throw new CommandError(ExitCode.error, 'the key is empty: a key has at least one character');
  }
  const { url }: ClientSettings = readSettings(command, clientSettings, process.env);
  const { ack, from }: QuorumSettings = readSettings(command, quorumSettings, process.env);
  const said: [string, string | number | undefined][] = [
    ['ack', ack],
    ['from', from],
    ['consistency', textOption(command, 'consistency')],
    ['repair', textOption(command, 'repair')],
    ['ttl', textOption(command, 'ttl')],
    ['explain', isExplained(command) ? 1 : undefined],
  ];
  const query = new URLSearchParams({ id });
  for (const [name, value] of said) if (value !== undefined) query.set(name, String(value));
  const headers: Record<string, string> = {};
  const ifMatch = textOption(command, 'ifMatch');
  const ifNoneMatch = textOption(command, 'ifNoneMatch');
  if (ifMatch !== undefined) headers['If-Match'] = tagsOf('--if-match', ifMatch);
  if (ifNoneMatch !== undefined) headers['If-None-Match'] = tagsOf('--if-none-match', ifNoneMatch);
  return { method, url: `${url}/v0/entity?${query}`, headers };
}

/**
 * Sends the request, and with `--explain` prints how it went.
 * @returns the answer, whose body is still to be read; null: it is printed
 * @throws CommandError for any answer but 2xx
 */
export async function sendEntity(
  command: Command,
  request: EntityRequestParts,
  absent?: string,
): Promise<IncomingMessage | null> {
  if (!isExplained(command)) return sendOrThrow(request, absent);
  const response = await send(request);
  // What was refused before it was begun has nothing to explain.
  if (response.headers['content-type'] !== 'application/json') throw await refusalOf(response, absent);
  const explanation = await readObject(request.url, response);
  await print(describeExplanation(explanation));
  // It names the status that the request has without it, which for a value that the client has is not that of the answer.
  const status = typeof explanation.status === 'number' ? explanation.status : (response.statusCode ?? 0);
  const exitCode = exitCodeOfStatus(status);
  if (exitCode === ExitCode.ok) return null;
  const { reason } = explanation;
  const unsaid = exitCode === ExitCode.notFound ? absent : undefined;
  const sentence = typeof reason === 'string' && reason !== '' ? reason : unsaid;
  throw new CommandError(exitCode, sentence ?? `${status} ${STATUS_CODES[status] ?? ''}`.trim());
}

function isExplained(command: Command): boolean {
  return command.getOptionValue('explain') === true;
}

/**
 * What the flag says, as the header takes it. A shell takes the quotes off a tag.
 * @throws CommandError for what no header can hold, such as an end of line
 */
function tagsOf(flag: string, said: string): string {
  const tags = said
    .split(',')
    .map((tag) => tag.trim())
    .map((tag) => (BARE_TAG.test(tag) ? `"${tag}"` : tag))
    .join(', ');
  try {
    validateHeaderValue('ETag', tags);
  } catch {
    throw new CommandError(
      ExitCode.error,
      `${flag} has characters that no ETag has: ${JSON.stringify(said)}`,
    );
  }
  return tags;
}
