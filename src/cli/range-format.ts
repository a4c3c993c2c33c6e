/** Turns the bytes of a `range` answer into lines of text. Pure. */
import { Unpackr } from 'msgpackr/unpack';

const HEX_DIGITS = '0123456789abcdef';
const BACKSLASH = 0x5c;
const DELETE = 0x7f;
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Takes a sequence of msgpack `[key, value]` pairs in pieces of any size, and gives `key TAB value` lines. */
export class EntryLines {
  readonly #unpackr = new Unpackr();
  /** The beginning of a pair whose end has not arrived yet. */
  #rest: Uint8Array = new Uint8Array(0);

  /** @returns the lines that are complete now, each with its newline */
  push(chunk: Uint8Array): string {
    const bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let pairs: unknown[] = [];
    try {
      pairs = this.#unpackr.unpackMultiple(bytes) ?? [];
      this.#rest = new Uint8Array(0);
    } catch (error) {
      const { incomplete, values, lastPosition } = error as IncompleteError;
      if (!incomplete) {
        throw error;
      }
      pairs = values ?? [];
      this.#rest = bytes.subarray(lastPosition ?? 0);
    }
    let lines = '';
    for (const pair of pairs) {
      const [key, value] = pair as [Uint8Array | string, Uint8Array | string];
      lines += `${escapeBytes(asBytes(key))}\t${escapeBytes(asBytes(value))}\n`;
    }
    return lines;
  }
}

/**
 * What msgpackr throws when the bytes end within a value: the values before it, and where the incomplete one starts.
 */
interface IncompleteError {
  readonly incomplete?: boolean;
  readonly values?: unknown[];
  readonly lastPosition?: number;
}

/**
 * Keeps text as it is. A backslash, control characters and bytes that are not UTF-8 become `\\`, `\t`, `\n`, `\r` or
 * `\xHH`, so that an entry is always one line and no value can command a terminal.
 */
export function escapeBytes(bytes: Uint8Array): string {
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    let escaped = '';
    for (const byte of bytes) {
      escaped += byte > DELETE ? hexByte(byte) : escapeCharacter(byte);
    }
    return escaped;
  }
  let escaped = '';
  let copied = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isPlain(code)) {
      continue;
    }
    escaped += text.slice(copied, at) + (code > DELETE ? `\\xc2${hexByte(code)}` : escapeCharacter(code));
    copied = at + 1;
  }
  return escaped + text.slice(copied);
}

function isPlain(code: number): boolean {
  // Above DEL are 32 more control characters, which some terminals obey.
  return (code >= 0x20 && code < DELETE && code !== BACKSLASH) || code >= 0xa0;
}

function escapeCharacter(code: number): string {
  switch (code) {
    case 0x09:
      return '\\t';
    case 0x0a:
      return '\\n';
    case 0x0d:
      return '\\r';
    case BACKSLASH:
      return '\\\\';
    default:
      return code < 0x20 || code === DELETE ? hexByte(code) : String.fromCharCode(code);
  }
}

function hexByte(byte: number): string {
  return `\\x${HEX_DIGITS[byte >> 4]}${HEX_DIGITS[byte & 15]}`;
}

function asBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}
