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
 * Writes a short key that is at or above `below[0, belowEnd)` and under `above[aboveStart, aboveEnd)` to `target`
 * at `at`; returns the offset behind it. It is never longer than `below`. (After LevelDB's `FindShortestSeparator`, which looks at `below` alone and so fails to shorten
 * neighbours such as `key199`, `key200`.)
 * @param shared leading bytes the two have in common; `below` must be smaller than `above`
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
  // The start of `above` up to where they differ is above `below`, and under `above` if that goes on.
  if (shared < belowEnd && aboveEnd - aboveStart > differs) {
    copyBytes(above, aboveStart, aboveStart + differs, target, at);
    return at + differs;
  }
  // `above` ends there: the start of `below`, its last byte raised, if it stays under.
  if (shared < belowEnd && below[shared] + 1 < above[aboveStart + shared]) {
    copyBytes(below, 0, differs, target, at);
    target[at + shared]++;
    return at + differs;
  }
  copyBytes(below, 0, belowEnd, target, at);
  return at + belowEnd;
}
