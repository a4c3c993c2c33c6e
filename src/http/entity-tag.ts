/**
 * Entity tags: the version of a value as a strong validator of HTTP (RFC 9110, 8.8.3), and the tags of `If-Match` and
 * `If-None-Match` (13.1) as versions. Each write has a version of its own, so equal tags mean equal bytes. Pure.
 */
import type { RecordVersion, VersionSet } from '../request-options.ts';

const DIGITS = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const QUOTE = 0x22;
const DASH = 0x2d;
const COMMA = 0x2c;
const SPACE = 0x20;
const TAB = 0x09;
const UPPER_W = 0x57;
const SLASH = 0x2f;
const DELETE = 0x7f;
const TWO_POW_32 = 2 ** 32;

/** What `versionTag` writes, between its quotes: timestamp and writer. */
const OWN_TAG = /^([01][0-9a-f]{13})-([0-9a-f]{8})$/;

/** All answers with a value carry one, so it is made with no more than one string. */
export function versionTag(timestamp: number, writer: number): string {
  const high = Math.floor(timestamp / TWO_POW_32);
  const low = timestamp - high * TWO_POW_32;
  const d = DIGITS;
  return String.fromCharCode(
    QUOTE,
    d[(high >>> 20) & 15],
    d[(high >>> 16) & 15],
    d[(high >>> 12) & 15],
    d[(high >>> 8) & 15],
    d[(high >>> 4) & 15],
    d[high & 15],
    d[(low >>> 28) & 15],
    d[(low >>> 24) & 15],
    d[(low >>> 20) & 15],
    d[(low >>> 16) & 15],
    d[(low >>> 12) & 15],
    d[(low >>> 8) & 15],
    d[(low >>> 4) & 15],
    d[low & 15],
    DASH,
    d[(writer >>> 28) & 15],
    d[(writer >>> 24) & 15],
    d[(writer >>> 20) & 15],
    d[(writer >>> 16) & 15],
    d[(writer >>> 12) & 15],
    d[(writer >>> 8) & 15],
    d[(writer >>> 4) & 15],
    d[writer & 15],
    QUOTE,
  );
}

/**
 * The versions that a header names: all tags that could be ours. One that could not be matches nothing, but is no fault.
 * @param takesWeak whether `W/"…"` names a version as well: `If-None-Match` compares weakly, `If-Match` strongly
 * @returns null: it is neither `*` nor a list of entity tags
 */
export function parseEntityTags(header: string, takesWeak: boolean): VersionSet | null {
  if (header.trim() === '*') return 'any';
  const versions: RecordVersion[] = [];
  let tags = 0;
  let at = 0;
  while (true) {
    at = skipBlanks(header, at);
    if (at >= header.length) break;
    // A list may have empty elements.
    if (header.charCodeAt(at) !== COMMA) {
      const isWeak = header.charCodeAt(at) === UPPER_W && header.charCodeAt(at + 1) === SLASH;
      const start = isWeak ? at + 2 : at;
      const end = endOfTag(header, start);
      if (end < 0) return null;
      tags++;
      const version = versionOf(header.slice(start + 1, end - 1));
      if (version !== null && (takesWeak || !isWeak)) versions.push(version);
      at = skipBlanks(header, end);
      if (at < header.length && header.charCodeAt(at) !== COMMA) return null;
    }
    at++;
  }
  return tags === 0 ? null : versions;
}

function skipBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB)) at++;
  return at;
}

/** @returns where the opaque tag that begins at `start` ends, exclusive; -1: none begins there, or it does not end */
function endOfTag(text: string, start: number): number {
  if (text.charCodeAt(start) !== QUOTE) return -1;
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code <= SPACE || code === DELETE) return -1;
  }
  return -1;
}

function versionOf(tag: string): RecordVersion | null {
  const match = OWN_TAG.exec(tag);
  if (match === null) return null;
  return { timestamp: Number.parseInt(match[1], 16), writer: Number.parseInt(match[2], 16) };
}
