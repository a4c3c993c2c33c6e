/**
 * Sizes and durations as people write them: `64KiB`, `1.5s`. Pure. Sizes become bytes, durations milliseconds;
 * both are whole numbers.
 */
import { QuorateError } from '../errors.ts';

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** A number with digits on both sides of its point, then letters. */
const QUANTITY = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i;

/**
 * @returns bytes; a number without a unit is bytes
 * @throws QuorateError INVALID_CONFIG that says what was expected
 */
export function parseSize(text: string): number {
  const bytes = parseQuantity(text, SIZE_UNITS, 1);
  if (bytes === undefined) {
    throw new QuorateError('INVALID_CONFIG', 'expected a size such as 4096, 64KiB, 1MiB or 1.5GiB');
  }
  return bytes;
}

/** @returns milliseconds. The unit is required but for 0, because half of the world's timeouts are in seconds */
export function parseDuration(text: string): number {
  const durationMs = parseQuantity(text, DURATION_UNITS, undefined);
  if (durationMs === undefined) {
    throw new QuorateError(
      'INVALID_CONFIG',
      'expected a duration with its unit, such as 500ms, 1s, 2m or 1h',
    );
  }
  return durationMs;
}

/** The shortest exact text: `parseSize(formatSize(n)) === n`. */
export function formatSize(bytes: number): string {
  return formatExact(bytes, SIZE_UNITS, bytes === 0 ? 'B' : '');
}

/** The shortest exact text: `parseDuration(formatDuration(n)) === n`. */
export function formatDuration(durationMs: number): string {
  return formatExact(durationMs, DURATION_UNITS, 'ms');
}

/** Text for people: at most three digits and a unit that fits, `1.21GiB`. */
export function describeSize(bytes: number): string {
  let name = 'B';
  let scale = 1;
  for (const [unit, unitBytes] of SIZE_UNITS) {
    // From 1000 KiB on, four digits would be needed.
    if (bytes >= unitBytes || bytes / scale >= 999.5) {
      name = unit;
      scale = unitBytes;
    }
  }
  return `${threeDigits(bytes / scale)}${name}`;
}

function threeDigits(value: number): string {
  const text = value.toPrecision(3);
  return Number.isInteger(value) || text.includes('e') ? String(Math.round(value)) : String(Number(text));
}

function parseQuantity(
  text: string,
  units: ReadonlyMap<string, number>,
  bareScale: number | undefined,
): number | undefined {
  const match = QUANTITY.exec(text.trim());
  if (match === null) {
    return undefined;
  }
  const [, number, unit] = match;
  // Nothing is nothing in every unit.
  const scale = unit !== '' ? unitScale(units, unit) : Number(number) === 0 ? 1 : bareScale;
  if (scale === undefined) {
    return undefined;
  }
  const value = Number(number) * scale;
  return Number.isSafeInteger(value) ? value : undefined;
}

function unitScale(units: ReadonlyMap<string, number>, unit: string): number | undefined {
  for (const [name, scale] of units) {
    if (name.toLowerCase() === unit.toLowerCase()) {
      return scale;
    }
  }
  return undefined;
}

function formatExact(value: number, units: ReadonlyMap<string, number>, zeroUnit: string): string {
  let text = `${value}${zeroUnit}`;
  for (const [unit, scale] of units) {
    if (value >= scale && value % scale === 0) {
      text = `${value / scale}${unit}`;
    }
  }
  return text;
}
