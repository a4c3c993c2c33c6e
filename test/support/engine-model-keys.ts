/** The keys of the model test, and the bounds beside them. */
import { slotOf } from '../../native-free-lsm/index.ts';
import type { KeyBounds } from '../../native-free-lsm/iterator/key-range.ts';

export const KEYS = 40;

/** A key, or a bound beside it: before all keys, just behind a key, or the beginning of one. */
export interface Bound {
  readonly key: number;
  readonly place: 'first' | 'at' | 'behind' | 'piece';
}

export interface BoundPair {
  readonly start: Bound;
  /** Null: there is none. */
  readonly end: Bound | null;
  /** Whether `start` is left out, and `end` is not. */
  readonly isAbove: boolean;
  readonly isUpTo: boolean;
}

/** Keys of many lengths; some are the beginning of others, and one of all. */
export function keyOf(index: number): Buffer {
  if (index === 0) return Buffer.alloc(0);
  return Buffer.from(`${'k'.repeat(1 + (index % 3))}${index}`);
}

const IN_ORDER = Array.from({ length: KEYS }, (_, index) => index).sort((a, b) =>
  Buffer.compare(keyOf(a), keyOf(b)),
);

/** Which key is at a place of their order, which begins anew behind the last. */
export function keyAtRank(rank: number): number {
  return IN_ORDER[rank % KEYS];
}

/** The key as the model knows it. */
export function nameOfKey(index: number): string {
  return latin1(keyOf(index));
}

export function slotOfName(name: string): number {
  return slotOf(Buffer.from(name, 'latin1'), 0, name.length);
}

export function slotsOfKeys(keys: readonly number[]): Uint16Array {
  return Uint16Array.from(new Set(keys.map((key) => slotOfName(nameOfKey(key)))));
}

export const SLOTS_OF_ALL_KEYS = slotsOfKeys(Array.from({ length: KEYS }, (_, key) => key));

export function boundOf({ key, place }: Bound): Buffer {
  const at = keyOf(key);
  if (place === 'first') return Buffer.alloc(0);
  if (place === 'piece') return at.subarray(0, 1 + (key % Math.max(1, at.length)));
  return place === 'behind' ? Buffer.concat([at, Buffer.of(0)]) : at;
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

export function boundsOf(given: BoundPair): KeyBounds {
  const from = boundOf(given.start);
  const to = given.end === null ? null : boundOf(given.end);
  return {
    ...(given.isAbove ? { gt: from } : { gte: from }),
    ...(to !== null && (given.isUpTo ? { lte: to } : { lt: to })),
  };
}
