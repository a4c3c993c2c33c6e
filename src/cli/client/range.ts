import { Command } from 'commander';
import { clientSettings } from '../../config.ts';
import { PROGRAM } from '../../program.ts';
import { ExitCode, exitCodesManual } from '../exit-codes.ts';
import { sendOrThrow } from '../http-client.ts';
import { addSettings, environmentManual, readSettings, textOption } from '../options.ts';
import { writeBody } from '../output.ts';

const MANUAL = `
Keys are ordered by their bytes. The entries are those of the node asked alone:
with more nodes than replicas not every key is on every node.

A line is an entry, key TAB value. A backslash, control characters and bytes that
are not UTF-8 are written as \\\\, \\t, \\n, \\r and \\xHH. For programs, --msgpack
writes the entries as they come: a sequence of [key, value] arrays in
MessagePack, their bytes unchanged.

Examples:
  ${PROGRAM} range --start user: --end 'user;'     # every key that starts with user:
  ${PROGRAM} range --start key1 | head
  ${PROGRAM} range --start a --msgpack > entries.msgpack

${environmentManual(clientSettings)}

${exitCodesManual([
  ExitCode.ok,
  ExitCode.error,
  ExitCode.overloaded,
  ExitCode.unreachable,
  ExitCode.output,
])}`;

export function rangeCommand(): Command {
  const command = new Command('range')
    .description('Lists the entries that the node asked holds itself, in key order.')
    .requiredOption('--start <key>', 'first key, inclusive')
    .option('--end <key>', 'where to stop, exclusive (default: after the last key)')
    .option('--msgpack', 'write MessagePack instead of lines');
  return addSettings(command, clientSettings)
    .addHelpText('after', MANUAL)
    .action(() => range(command));
}

async function range(command: Command): Promise<void> {
  const { url: node } = readSettings(command, clientSettings, process.env);
  const query = new URLSearchParams({ start: textOption(command, 'start') ?? '' });
  const end = textOption(command, 'end');
  if (end !== undefined) {
    query.set('end', end);
  }
  const url = `${node}/v0/entities?${query}`;
  const body = await sendOrThrow({ method: 'GET', url, headers: { accept: 'application/x-msgpack' } });
  if (command.getOptionValue('msgpack') === true) {
    await writeBody(url, body);
    return;
  }
  const { EntryLines } = await import('../range-format.ts');
  const lines = new EntryLines();
  await writeBody(url, body, (chunk) => lines.push(chunk));
}
