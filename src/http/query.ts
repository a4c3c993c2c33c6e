/**
 * What the routes ask of a query string, and the sentences for those that cannot be read. A route refuses parameters
 * that it does not know, and one that it knows may stand once. Pure.
 *
 * It is parsed by hand from the request target, because keys are bytes: a URL parser would replace invalid UTF-8
 * instead of refusing it. `+` is a space and `%41` a byte, in names as in values. A bare `#` is refused: it would be the
 * start of a fragment, which no request carries, and half a key must not be stored.
 */
import { isUtf8 } from 'node:buffer';

const HASH = 0x23;
const PERCENT = 0x25;
const AMPERSAND = 0x26;
const PLUS = 0x2b;
const EQUALS = 0x3d;
const SPACE = 0x20;
const MAX_ASCII = 0x7f;
const MAX_DIGITS = 9;
/** So much of a name that is not known is repeated in the sentence about it. */
const MAX_SHOWN_NAME = 40;

const RANGE_PARAMETERS = ['start', 'end'];

export const EMPTY_KEY = Buffer.alloc(0);

export interface RequestFault {
  readonly status: number;
  /** For the client: names what is wrong. */
  readonly sentence: string;
}

/**
 * The parameters, one after the other. One cursor reads the targets of all requests, so that a plain key costs its own
 * bytes and no other object.
 */
export class ParameterCursor {
  #target = '';
  #next = 0;
  #nameStart = 0;
  #nameEnd = 0;
  #valueStart = 0;
  #valueEnd = 0;
  #isNamePlain = true;
  #isValuePlain = true;

  /** @param queryStart index behind the `?`, or the target's length where there is none */
  reset(target: string, queryStart: number): void {
    this.#target = target;
    this.#next = queryStart;
  }

  /** Goes to the next parameter; empty ones, as in `a=1&&b=2`, are passed over. */
  next(): boolean {
    const target = this.#target;
    let at = this.#next;
    while (at < target.length && target.charCodeAt(at) === AMPERSAND) at++;
    if (at >= target.length) return false;
    this.#nameStart = at;
    this.#nameEnd = -1;
    this.#isNamePlain = true;
    let isPlain = true;
    for (; at < target.length; at++) {
      const code = target.charCodeAt(at);
      if (code === AMPERSAND) break;
      if (code === EQUALS && this.#nameEnd < 0) {
        this.#nameEnd = at;
        this.#isNamePlain = isPlain;
        isPlain = true;
      } else if (code === PERCENT || code === PLUS || code === HASH || code > MAX_ASCII) {
        isPlain = false;
      }
    }
    if (this.#nameEnd < 0) {
      this.#nameEnd = at;
      this.#isNamePlain = isPlain;
    }
    this.#valueStart = Math.min(this.#nameEnd + 1, at);
    this.#valueEnd = at;
    this.#isValuePlain = isPlain;
    this.#next = at;
    return true;
  }

  isNamed(name: string): boolean {
    if (!this.#isNamePlain) {
      return decode(this.#target, this.#nameStart, this.#nameEnd)?.toString('latin1') === name;
    }
    return this.#nameEnd - this.#nameStart === name.length && this.#target.startsWith(name, this.#nameStart);
  }

  /** The name as it was sent, for a sentence about it. Node gives the bytes of a target as Latin-1. */
  get shownName(): string {
    const name = Buffer.from(this.#target.slice(this.#nameStart, this.#nameEnd), 'latin1').toString();
    return name.length <= MAX_SHOWN_NAME ? name : `${name.slice(0, MAX_SHOWN_NAME)}…`;
  }

  /** The value's bytes, or null when they are not percent-encoded UTF-8. */
  bytes(): Buffer | null {
    if (!this.#isValuePlain) return decode(this.#target, this.#valueStart, this.#valueEnd);
    const start = this.#valueStart;
    const bytes = Buffer.allocUnsafe(this.#valueEnd - start);
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#target.charCodeAt(start + i);
    return bytes;
  }

  /** The value as it is to be compared with words. */
  text(): string {
    return this.bytes()?.toString() ?? '';
  }

  /** The value as a whole number of at most MAX_DIGITS digits, or -1. */
  wholeNumber(): number {
    if (this.#isValuePlain) return parseWholeNumber(this.#target, this.#valueStart, this.#valueEnd);
    const decoded = this.bytes()?.toString('latin1') ?? '';
    return parseWholeNumber(decoded, 0, decoded.length);
  }
}

/** `start=K[&end=L]`; an empty `start` is the first key there is. */
export class RangeQuery {
  start: Buffer = EMPTY_KEY;
  /** Null: to the last key. */
  end: Buffer | null = null;
  readonly #cursor = new ParameterCursor();

  read(target: string, queryStart: number, maxKeyBytes: number): RequestFault | null {
    const cursor = this.#cursor;
    cursor.reset(target, queryStart);
    this.start = EMPTY_KEY;
    this.end = null;
    let hasStart = false;
    while (cursor.next()) {
      if (cursor.isNamed('start')) {
        if (hasStart) return repeated('start');
        const key = readKey(cursor, 'start', maxKeyBytes);
        if (!(key instanceof Uint8Array)) return key;
        this.start = key;
        hasStart = true;
      } else if (cursor.isNamed('end')) {
        if (this.end !== null) return repeated('end');
        const key = readKey(cursor, 'end', maxKeyBytes);
        if (!(key instanceof Uint8Array)) return key;
        this.end = key;
      } else {
        return unknownParameter(cursor, RANGE_PARAMETERS);
      }
    }
    if (hasStart) return null;
    return badRequest('The query parameter "start" is missing: ?start= alone starts at the first key.');
  }

  /** Nothing lies between the two. */
  get isEmpty(): boolean {
    return this.end !== null && Buffer.compare(this.end, this.start) <= 0;
  }
}

export function readKey(cursor: ParameterCursor, name: string, maxKeyBytes: number): Buffer | RequestFault {
  const key = cursor.bytes();
  if (key === null) {
    return badRequest(
      `The query parameter "${name}" is not percent-encoded UTF-8: a percent sign of its own is %25, a # is %23.`,
    );
  }
  if (key.length <= maxKeyBytes) return key;
  const sentence = `The query parameter "${name}" has ${key.length} bytes: a key has at most ${maxKeyBytes}.`;
  return { status: 413, sentence };
}

/** What is wrong with the names in a query, which may be empty: one is none of `known`, or stands twice; or null. */
export function namesFault(query: string, known: readonly string[]): RequestFault | null {
  const cursor = new ParameterCursor();
  cursor.reset(query, 0);
  const found = new Set<string>();
  while (cursor.next()) {
    const name = known.find((one) => cursor.isNamed(one));
    if (name === undefined) return unknownParameter(cursor, known);
    if (found.has(name)) return repeated(name);
    found.add(name);
  }
  return null;
}

/**
 * A parameter that the route does not have must not be passed over: a misspelt `ack` would be answered with less than was
 * asked for, and of a key with a bare `&` the rest would be lost.
 */
export function unknownParameter(
  { shownName }: Pick<ParameterCursor, 'shownName'>,
  known: readonly string[],
): RequestFault {
  const there = known.length === 0 ? 'this path has none' : `there are ${known.join(', ')}`;
  return badRequest(
    `There is no query parameter "${shownName}" here: ${there}. An & that belongs to a value is %26.`,
  );
}

export function repeated(name: string): RequestFault {
  return badRequest(`The query parameter "${name}" is given more than once.`);
}

export function badCount(name: string, count: number): RequestFault {
  return badRequest(
    count === 0
      ? `The query parameter "${name}" is 0: it must be at least 1.`
      : `The query parameter "${name}" is not a whole number of at most ${MAX_DIGITS} digits.`,
  );
}

export function badRequest(sentence: string): RequestFault {
  return { status: 400, sentence };
}

function parseWholeNumber(text: string, start: number, end: number): number {
  if (end === start || end - start > MAX_DIGITS) return -1;
  let number = 0;
  for (let at = start; at < end; at++) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function decode(target: string, start: number, end: number): Buffer | null {
  const bytes = Buffer.allocUnsafe(end - start);
  let length = 0;
  for (let at = start; at < end; at++) {
    let byte = target.charCodeAt(at);
    // Node gives the bytes of a target as Latin-1; what is above that never was a byte.
    if (byte === HASH || byte > 0xff) return null;
    if (byte === PLUS) {
      byte = SPACE;
    } else if (byte === PERCENT) {
      if (at + 2 >= end) return null;
      byte = (hexDigit(target.charCodeAt(at + 1)) << 4) | hexDigit(target.charCodeAt(at + 2));
      if (byte < 0) return null;
      at += 2;
    }
    bytes[length++] = byte;
  }
  const decoded = bytes.subarray(0, length);
  return isUtf8(decoded) ? decoded : null;
}

/** @returns -1 for anything else, which stays negative under the shift and the or above */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
