/**
 * What a setting is, and the kinds of settings. These are plain functions and not a schema library, because every
 * command reads its settings, and loading a library would take most of a short command's run time.
 */
import { QuorateError } from '../errors.ts';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

export interface Setting<T> {
  /** The flag without its dashes: `max-value-size`. */
  readonly flag: string;
  /** After which flag the environment variable is named; left out: after its own. */
  readonly variable?: string;
  /** The argument as help shows it, `<size>`; empty for a switch, which takes none. */
  readonly placeholder: string;
  /** One line, without a full stop. */
  readonly help: string;
  /** Undefined: there is none. */
  readonly defaultValue: T | undefined;
  /** @throws QuorateError INVALID_CONFIG that says what was expected */
  parse(text: string): T;
  /** The inverse of `parse`. */
  format(value: T): string;
}

export type SettingsTable<T> = { readonly [Name in keyof T]-?: Setting<T[Name]> };

export function environmentName(setting: { readonly flag: string; readonly variable?: string }): string {
  return `QUORATE_${(setting.variable ?? setting.flag).toUpperCase().replaceAll('-', '_')}`;
}

export function size(
  flag: string,
  defaultValue: number,
  min: number,
  max: number,
  help: string,
): Setting<number> {
  const parse = bounded(parseSize, formatSize, min, max);
  return { flag, placeholder: '<size>', help, defaultValue, parse, format: formatSize };
}

export function duration(
  flag: string,
  defaultValue: number,
  min: number,
  max: number,
  help: string,
): Setting<number> {
  const parse = bounded(parseDuration, formatDuration, min, max);
  return { flag, placeholder: '<duration>', help, defaultValue, parse, format: formatDuration };
}

export function integer(
  flag: string,
  defaultValue: number | undefined,
  min: number,
  max: number,
  help: string,
): Setting<number> {
  const parse = bounded(parseInteger, String, min, max);
  return { flag, placeholder: '<number>', help, defaultValue, parse, format: String };
}

/** `auto` is stored as 0. */
export function integerOrAuto(flag: string, min: number, max: number, help: string): Setting<number> {
  const parseNumber = bounded(parseInteger, String, min, max);
  return {
    flag,
    placeholder: '<number|auto>',
    help,
    defaultValue: 0,
    parse: (input) => (input.trim() === 'auto' ? 0 : parseNumber(input)),
    format: (value) => (value === 0 ? 'auto' : String(value)),
  };
}

/** `auto` is stored as 0. */
export function sizeOrAuto(flag: string, min: number, max: number, help: string): Setting<number> {
  const parseBytes = bounded(parseSize, formatSize, min, max);
  return {
    flag,
    placeholder: '<size|auto>',
    help,
    defaultValue: 0,
    parse: (input) => (input.trim() === 'auto' ? 0 : parseBytes(input)),
    format: (value) => (value === 0 ? 'auto' : formatSize(value)),
  };
}

/** A part of a whole, in per cent: stored as a fraction of 1. */
export function share(flag: string, defaultValue: number, help: string): Setting<number> {
  const parse = (input: string): number => {
    const trimmed = input.trim();
    const match = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(trimmed);
    const percent = trimmed === '0' ? 0 : Number(match?.[1]);
    if (!(percent <= 100)) throw new QuorateError('INVALID_CONFIG', 'expected a share from 0% to 100%');
    return percent / 100;
  };
  const format = (value: number): string => `${Number((value * 100).toFixed(3))}%`;
  return { flag, placeholder: '<share>', help, defaultValue, parse, format };
}

export function choice<T extends string>(
  flag: string,
  defaultValue: T,
  choices: readonly T[],
  help: string,
): Setting<T> {
  const parse = (input: string): T => {
    const found = choices.find((candidate) => candidate === input.trim());
    if (found === undefined) {
      throw new QuorateError('INVALID_CONFIG', `expected one of ${choices.join(', ')}`);
    }
    return found;
  };
  return { flag, placeholder: `<${choices.join('|')}>`, help, defaultValue, parse, format: String };
}

export function text(
  flag: string,
  placeholder: string,
  defaultValue: string | undefined,
  help: string,
): Setting<string> {
  const parse = (input: string): string => {
    if (input.trim() === '') {
      throw new QuorateError('INVALID_CONFIG', 'expected a text that is not empty');
    }
    return input;
  };
  return { flag, placeholder, help, defaultValue, parse, format: String };
}

/** Host names, separated by commas. */
export function names(flag: string, help: string): Setting<readonly string[]> {
  const parse = (input: string): readonly string[] => {
    if (input.trim() === '') return [];
    const found = input.split(',').map((name) => name.trim());
    if (found.every((name) => /^[A-Za-z0-9._-]{1,253}$/.test(name))) return found;
    throw new QuorateError('INVALID_CONFIG', 'expected host names without ports, separated by commas');
  };
  return { flag, placeholder: '<names>', help, defaultValue: [], parse, format: (value) => value.join(',') };
}

export function url(flag: string, defaultValue: string, help: string): Setting<string> {
  const parse = (input: string): string => {
    const parsed = URL.parse(input.trim());
    if (parsed?.protocol !== 'http:' || parsed.pathname !== '/' || parsed.search !== '') {
      throw new QuorateError('INVALID_CONFIG', 'expected a URL such as http://127.0.0.1:19234');
    }
    return parsed.origin;
  };
  return { flag, placeholder: '<url>', help, defaultValue, parse, format: String };
}

export function toggle(flag: string, help: string): Setting<boolean> {
  const parse = (input: string): boolean => {
    switch (input.trim().toLowerCase()) {
      case '1':
      case 'true':
      case 'yes':
        return true;
      case '':
      case '0':
      case 'false':
      case 'no':
        return false;
      default:
        throw new QuorateError('INVALID_CONFIG', 'expected true or false');
    }
  };
  return { flag, placeholder: '', help, defaultValue: false, parse, format: String };
}

function bounded(
  parse: (input: string) => number,
  format: (value: number) => string,
  min: number,
  max: number,
): (input: string) => number {
  return (input) => {
    const value = parse(input);
    if (value < min || value > max) {
      throw new QuorateError('INVALID_CONFIG', `expected at least ${format(min)} and at most ${format(max)}`);
    }
    return value;
  };
}

function parseInteger(input: string): number {
  const trimmed = input.trim();
  const value = Number(trimmed);
  if (!/^-?\d+$/.test(trimmed) || !Number.isSafeInteger(value)) {
    throw new QuorateError('INVALID_CONFIG', 'expected a whole number');
  }
  return value;
}
