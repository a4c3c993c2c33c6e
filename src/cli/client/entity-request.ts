/** What `get`, `put` and `delete` share: their options and the URL of an entity. */
import { Command } from 'commander';
import { type ClientSettings, clientSettings } from '../../config.ts';
import { CommandError, ExitCode, exitCodesManual } from '../exit-codes.ts';
import { addSettings, environmentManual, readSettings } from '../options.ts';
import { type QuorumSettings, quorumSettings } from '../quorum-settings.ts';

export function entityCommand(name: string): Command {
  const command = new Command(name).argument(
    '<id>',
    'the key, at most 4 KiB of text; `--` goes before one that starts with -',
  );
  return addSettings(addSettings(command, clientSettings), quorumSettings);
}

export const ENTITY_ENVIRONMENT = environmentManual({ ...clientSettings, ...quorumSettings });

/** How `put` and `delete` may end. */
export const WRITE_EXIT_CODES = exitCodesManual([
  ExitCode.ok,
  ExitCode.error,
  ExitCode.notEnoughReplicas,
  ExitCode.overloaded,
  ExitCode.unreachable,
]);

/** @returns the URL of the entity, with the quorum the command was given */
export function entityUrl(command: Command, id: string): string {
  if (id === '') {
    throw new CommandError(ExitCode.error, 'the key is empty: a key has at least one character');
  }
  const { url }: ClientSettings = readSettings(command, clientSettings, process.env);
  const { ack, from }: QuorumSettings = readSettings(command, quorumSettings, process.env);
  const query = new URLSearchParams({ id });
  if (ack !== undefined) {
    query.set('ack', String(ack));
  }
  if (from !== undefined) {
    query.set('from', String(from));
  }
  return `${url}/v0/entity?${query}`;
}
