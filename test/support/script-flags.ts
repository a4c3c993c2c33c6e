/** Flags of the scripts in package.json: `--help`, and an error for wrong values before anything is done. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../../src/config/units.ts';

export function script(name: string, description: string): Command {
  return new Command(`npm run ${name} --`)
    .description(description)
    .showHelpAfterError('(--help tells the flags)');
}

/** A whole number from 1 on. */
export function count(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1 on.');
  return Number(text);
}

/** A number above 0, for example of minutes. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new InvalidArgumentError('Give a number above 0.');
  return value;
}

/** A size as the product's flags take it, `1GiB`; returned unchanged. */
export function sizeText(text: string): string {
  sizeBytes(text);
  return text;
}

/** A size as the product's flags take it, `1GiB`. */
export function sizeBytes(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** @param most the largest seed that the script takes */
export function seedOption(most = Number.MAX_SAFE_INTEGER): Option {
  return new Option('--seed <n>', 'that an earlier run printed, to repeat it; left out, a new one').argParser(
    (text) => {
      const value = Number(text);
      if (!/^\d+$/.test(text) || value > most) {
        throw new InvalidArgumentError(`Give a whole number from 0 to ${most}.`);
      }
      return value;
    },
  );
}

/** A seed that no run before had. */
export function newSeed(most = Number.MAX_SAFE_INTEGER): number {
  return Math.floor(performance.timeOrigin) % (most + 1);
}
