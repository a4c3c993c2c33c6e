/**
 * Makes commander options from the settings tables and reads them back: flag before environment before default.
 * Commander keeps the flags as text, so that one place parses them and names their source.
 */
import { type Command, Option } from 'commander';
import { environmentName, type Setting, type SettingsTable } from '../config.ts';
import { errorMessage, QuorateError } from '../errors.ts';

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** @param names the settings of the table to add; all of them when left out */
export function addSettings<T>(
  command: Command,
  table: SettingsTable<T>,
  names?: readonly (keyof T)[],
): Command {
  for (const name of names ?? namesOf(table)) {
    command.addOption(optionOf(table[name]));
  }
  return command;
}

/** @throws QuorateError INVALID_CONFIG with a sentence that names the flag or the variable at fault */
export function readSettings<T, Name extends keyof T = keyof T>(
  command: Command,
  table: SettingsTable<T>,
  environment: EnvironmentVariables,
  names?: readonly Name[],
): Pick<T, Name> {
  const values: Partial<T> = {};
  for (const name of names ?? (namesOf(table) as Name[])) {
    values[name] = readSetting(command, table[name], environment) as T[Name];
  }
  return values as Pick<T, Name>;
}

/** The paragraph of a command's manual that says which variables stand for which of its flags. */
export function environmentManual<T>(table: SettingsTable<T>): string {
  const names = namesOf(table).map((name) => environmentName(table[name]));
  const [verb, flags, flag] =
    names.length === 1 ? ['stands', 'its flag', 'the'] : ['stand', 'their flags', 'a'];
  return `Environment: ${names.join(', ')} ${verb} for ${flags}; ${flag} flag counts first.`;
}

/** Whether the flag itself was given. A default or the environment does not count. */
export function isFlagGiven(command: Command, setting: { readonly flag: string }): boolean {
  return command.getOptionValueSource(attributeOf(setting)) === 'cli';
}

/** The value of an option that commander defines itself: such options exist only as flags. */
export function textOption(command: Command, attribute: string): string | undefined {
  const value: unknown = command.getOptionValue(attribute);
  return typeof value === 'string' ? value : undefined;
}

function namesOf<T>(table: SettingsTable<T>): (keyof T)[] {
  return Object.keys(table) as (keyof T)[];
}

function optionOf<T>(setting: Setting<T>): Option {
  const flags = `--${setting.flag} ${setting.placeholder}`.trimEnd();
  const hasDefault = setting.defaultValue !== undefined && setting.placeholder !== '';
  const shown = hasDefault ? setting.format(setting.defaultValue as T) : '';
  const note = shown === '' ? '' : ` (default: ${shown})`;
  return new Option(flags, `${setting.help}${note}`);
}

function readSetting<T>(
  command: Command,
  setting: Setting<T>,
  environment: EnvironmentVariables,
): T | undefined {
  const flagValue: unknown = command.getOptionValue(attributeOf(setting));
  if (flagValue !== undefined) {
    return parseFrom(setting, String(flagValue), `--${setting.flag}`);
  }
  const variable = environmentName(setting);
  const variableValue = environment[variable];
  if (variableValue !== undefined && variableValue !== '') {
    return parseFrom(setting, variableValue, variable);
  }
  return setting.defaultValue;
}

function parseFrom<T>(setting: Setting<T>, input: string, source: string): T {
  try {
    return setting.parse(input);
  } catch (error) {
    throw new QuorateError('INVALID_CONFIG', `${source} '${input}' is wrong: ${errorMessage(error)}`);
  }
}

/** Commander's key of a flag: `maxValueSize` for `max-value-size`. */
function attributeOf(setting: { readonly flag: string }): string {
  return setting.flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
