/**
 * A page of hints as it is stored and sent: the keys of which one node's replica has missed a write (FORMAT.md). The
 * values are not in it: whoever keeps a hint has the record, and delivers what is newest when the time comes. Pure.
 */
import { copyBytes } from '../../../native-free-lsm/index.ts';
import { MAX_OWN_VALUE_BYTES } from '../own-records.ts';

const PAGE_FORMAT = 2;
const CREATED_AT = 1;
const KEYS_AT = 9;
const LENGTH_BYTES = 2;

export function emptyPageBytes(): number {
  return KEYS_AT;
}

/** What a key takes in a page. */
export function hintBytes(key: Uint8Array): number {
  return LENGTH_BYTES + key.length;
}

/** Of a page that is stored. */
export const MAX_HINT_PAGE_BYTES = MAX_OWN_VALUE_BYTES;

/** @param createdMs by the time that hint-time.ts keeps */
export function encodeHintPage(createdMs: number, keys: Iterable<Uint8Array>, pageBytes: number): Uint8Array {
  const page = Buffer.allocUnsafeSlow(pageBytes);
  page[0] = PAGE_FORMAT;
  page.writeDoubleLE(createdMs, CREATED_AT);
  let at = KEYS_AT;
  for (const key of keys) {
    at = page.writeUInt16LE(key.length, at);
    copyBytes(key, 0, key.length, page, at);
    at += key.length;
  }
  return page;
}

interface HintPage {
  readonly createdMs: number;
  /** Views of the page. */
  readonly keys: readonly Uint8Array[];
}

/** Null: the bytes are no page of this format. */
export function decodeHintPage(bytes: Uint8Array): HintPage | null {
  if (bytes.length < KEYS_AT || bytes[0] !== PAGE_FORMAT) return null;
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const createdMs = page.readDoubleLE(CREATED_AT);
  if (!Number.isFinite(createdMs)) return null;
  const keys: Uint8Array[] = [];
  let at = KEYS_AT;
  while (at < page.length) {
    const keyAt = at + LENGTH_BYTES;
    if (keyAt > page.length) return null;
    const keyEnd = keyAt + page.readUInt16LE(at);
    if (keyEnd === keyAt || keyEnd > page.length) return null;
    keys.push(page.subarray(keyAt, keyEnd));
    at = keyEnd;
  }
  return { createdMs, keys };
}

const NAME_END = 0;
const NUMBER_BYTES = 6;

/** The pages of one node are in the order of their numbers. */
export function pageName(nodeId: string, number: number): Uint8Array {
  const id = Buffer.from(nodeId);
  const name = Buffer.allocUnsafeSlow(id.length + 1 + NUMBER_BYTES);
  id.copy(name);
  name[id.length] = NAME_END;
  name.writeUIntBE(number, id.length + 1, NUMBER_BYTES);
  return name;
}

/** Null: it is no name of a page. */
export function parsePageName(
  bytes: Uint8Array,
): { readonly nodeId: string; readonly number: number } | null {
  const end = bytes.length - NUMBER_BYTES - 1;
  if (end < 1 || bytes[end] !== NAME_END) return null;
  const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { nodeId: name.toString('utf8', 0, end), number: name.readUIntBE(end + 1, NUMBER_BYTES) };
}
