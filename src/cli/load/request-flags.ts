/** What the flags of requests must be to each other. */
import type { Command } from 'commander';
import type { SettingsTable } from '../../config.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { isFlagGiven } from '../options.ts';
import { requestSettings } from './settings.ts';

/** A workload says itself what is asked and of which keys. */
export function refuseWhatWorkloadsBring(command: Command, isWorkload: boolean): void {
  if (!isWorkload) {
    if (isFlagGiven(command, requestSettings.mix) && command.getOptionValue('method') !== 'mixed')
      throw new CommandError(ExitCode.error, '--mix belongs to --method mixed');
    return;
  }
  const given = (['method', 'mix', 'keyChoice'] as const).find((name) =>
    isFlagGiven(command, (requestSettings as SettingsTable<Record<typeof name, unknown>>)[name]),
  );
  if (given === undefined) return;
  throw new CommandError(
    ExitCode.error,
    `--${requestSettings[given].flag} has no meaning with --workload, which brings its own`,
  );
}
