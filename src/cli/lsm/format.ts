/** How the `lsm` commands show keys, values and times, and read keys back. Pure. */
import { type KeyRange, TIMESTAMPS_PER_MS, timestampMs } from '../../../native-free-lsm/index.ts';
import { CommandError, ExitCode } from '../exit-codes.ts';
import { escapeBytes } from '../range-format.ts';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes for JSON: text where they are UTF-8, base64 where they are not. */
export function jsonBytes(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strictUtf8.decode(bytes) };
  } catch {
    return { base64: Buffer.from(bytes).toString('base64') };
  }
}

/** Like JSON.stringify, with every byte array in the value replaced by its `jsonBytes`. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, field: unknown) => {
      if (field instanceof Uint8Array) return jsonBytes(field);
      // JSON.stringify calls Buffer's own toJSON first; this is what it makes of a buffer.
      const { type, data } = (field ?? {}) as { type?: unknown; data?: unknown };
      return type === 'Buffer' && Array.isArray(data) ? jsonBytes(Uint8Array.from(data)) : field;
    },
    indent,
  );
}

/** A key on one line, without commands to a terminal, and not longer than a screen is wide. */
export function shortKey(key: Uint8Array | undefined, most = 32): string {
  if (key === undefined) return '-';
  if (key.length === 0) return "''";
  const text = escapeBytes(key);
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

const LAST_DATE_MS = 8_640_000_000_000_000;

/** A hybrid logical timestamp as a date with its counter, `2026-03-01T12:00:00.000Z+17`. */
export function describeTimestamp(timestamp: number | undefined): string {
  if (timestamp === undefined) return '-';
  const ms = timestampMs(timestamp);
  const counter = timestamp % TIMESTAMPS_PER_MS;
  return `${new Date(Math.min(ms, LAST_DATE_MS)).toISOString()}${counter === 0 ? '' : `+${counter}`}`;
}

/**
 * Reads `START..END` with either left out; keys are written as `escapeBytes` writes them.
 * @throws CommandError with a sentence for people
 */
export function parseKeyRange(text: string): KeyRange {
  const at = text.indexOf('..');
  if (at < 0 || text.includes('..', at + 2)) {
    throw new CommandError(
      ExitCode.error,
      `--keys '${text}' is wrong: expected START..END, either of which may be left out; a dot in a key can be written as \\x2e`,
    );
  }
  const start = parseKey(text.slice(0, at));
  const end = parseKey(text.slice(at + 2));
  return { start: start.length === 0 ? undefined : start, end: end.length === 0 ? undefined : end };
}

const ESCAPES: Readonly<Record<string, number>> = { '\\\\': 0x5c, '\\t': 9, '\\n': 10, '\\r': 13 };

function parseKey(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [part] of text.matchAll(/\\x[0-9a-fA-F]{2}|\\[\s\S]?|[^\\]+/g)) {
    if (!part.startsWith('\\')) parts.push(Buffer.from(part));
    else if (part.length === 4) parts.push(Uint8Array.of(Number.parseInt(part.slice(2), 16)));
    else if (Object.hasOwn(ESCAPES, part)) parts.push(Uint8Array.of(ESCAPES[part]));
    else {
      throw new CommandError(
        ExitCode.error,
        `--keys has ${part}: after a backslash comes another one, t, n, r, or x and two hexadecimal digits`,
      );
    }
  }
  return Buffer.concat(parts);
}

/** @throws CommandError */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new CommandError(ExitCode.error, `--limit '${text}' is wrong: expected a whole number from 1 on`);
}

/** Rows of text in columns; numbers are aligned to the right. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          /^[\d.]/.test(cell) && !cell.includes('-') ? cell.padStart(widths[i]) : cell.padEnd(widths[i]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
