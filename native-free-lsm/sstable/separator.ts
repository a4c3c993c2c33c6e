import { copyBytes } from '../format/bytes.ts';

/** How many leading bytes two ranges have in common. */
export function commonPrefixBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const limit = Math.min(aEnd - aStart, bEnd - bStart);
  let shared = 0;
  while (shared < limit && a[aStart + shared] === b[bStart + shared]) shared++;
  return shared;
}

/**
 * Writes a short key that is at or above `below[0, belowEnd)` and under `above[aboveStart, aboveEnd)` to `target` at
 * `at`, and returns the offset behind it. The key is never longer than `below`. (It follows LevelDB's
 * `FindShortestSeparator`, which looks at `below` alone and so cannot shorten neighbours such as `key199` and
 * `key200`.)
 * @param shared how many leading bytes the two have in common; `below` must be smaller than `above`
 */
export function writeSeparator(
  below: Uint8Array,
  belowEnd: number,
  above: Uint8Array,
  aboveStart: number,
  aboveEnd: number,
  shared: number,
  target: Uint8Array,
  at: number,
): number {
  const differs = shared + 1;
  // The beginning of `above`, with the first byte that differs, is above `below`, and under `above` if that is longer.
  if (shared < belowEnd && aboveEnd - aboveStart > differs) {
    copyBytes(above, aboveStart, aboveStart + differs, target, at);
    return at + differs;
  }
  // `above` ends there. So try the beginning of `below` with its last byte raised, if that stays under `above`.
  if (shared < belowEnd && below[shared] + 1 < above[aboveStart + shared]) {
    copyBytes(below, 0, differs, target, at);
    target[at + shared]++;
    return at + differs;
  }
  copyBytes(below, 0, belowEnd, target, at);
  return at + belowEnd;
}
