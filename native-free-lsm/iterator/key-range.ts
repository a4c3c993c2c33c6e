/**
 * Where a scan begins and ends, from bounds that are inclusive or exclusive on either side. Pure.
 */
import { compareBytes } from '../format/bytes.ts';
import { ownBytes } from '../format/copy.ts';
import { type GivenBytes, toBytes } from '../format/given-bytes.ts';
import { MAX_KEY_BYTES } from '../log/write-operation.ts';

/** The bounds of a range of keys: at most one on each side; left out: the first key, the last key. */
export interface KeyBounds<Key = GivenBytes> {
  /** Keys above this one. */
  readonly gt?: Key;
  /** Keys from this one on. */
  readonly gte?: Key;
  /** Keys below this one. */
  readonly lt?: Key;
  /** Keys up to this one. */
  readonly lte?: Key;
}

/** Keys from `start` to before `end`; `end` null: to the last key. */
export interface ScanRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array | null;
}

const FIRST_KEY = new Uint8Array(0);
const NO_KEYS: ScanRange = { start: FIRST_KEY, end: FIRST_KEY };

export function keyRange({ gt, gte, lt, lte }: KeyBounds): ScanRange {
  const start = gt === undefined ? toBytes(gte ?? FIRST_KEY) : keyBehind(toBytes(gt));
  if (start === null) return NO_KEYS;
  if (lte !== undefined) return { start, end: keyBehind(toBytes(lte)) };
  return { start, end: lt === undefined ? null : toBytes(lt) };
}

/** Whether no key can be in it. */
export function isEmptyRange({ start, end }: ScanRange): boolean {
  return end !== null && compareKeys(start, end) >= 0;
}

/** The part of a range from a key on. */
export function rangeFrom({ start, end }: ScanRange, key: Uint8Array): ScanRange {
  return { start: compareKeys(key, start) > 0 ? key : start, end };
}

/** The part of a range up to a key. */
export function rangeUpTo({ start, end }: ScanRange, key: Uint8Array): ScanRange {
  const behind = keyBehind(key);
  if (behind === null || (end !== null && compareKeys(end, behind) < 0)) return { start, end };
  return { start, end: behind };
}

/** The smallest key above a key; null when there can be none. */
export function keyBehind(key: Uint8Array): Uint8Array | null {
  if (key.length < MAX_KEY_BYTES) {
    const behind = new Uint8Array(key.length + 1);
    behind.set(key);
    return behind;
  }
  // No key is longer than this one, so the next one differs earlier: in the last byte that can be raised.
  const raised = key.findLastIndex((byte) => byte < 0xff);
  if (raised < 0) return null;
  const behind = ownBytes(key, 0, raised + 1);
  behind[raised]++;
  return behind;
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}
