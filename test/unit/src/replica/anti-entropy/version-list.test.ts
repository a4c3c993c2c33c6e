import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordFlag, type SlotVersions } from '../../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import { differing } from '../../../../../src/replica/anti-entropy/digest-tree.ts';
import {
  childOf,
  entriesOf,
  foldChildren,
  MAX_LISTED,
  type SlotRange,
  spanOf,
} from '../../../../../src/replica/anti-entropy/version-list.ts';

const SLOT = 5;
const WHOLE: SlotRange = { slot: SLOT, depth: 0, prefix: 0 };
const ALL = { minFrom: 1, purgeableTo: 0 };

/** Keys with random fingerprints, in their order. */
function versionsOf(count: number, seed: number): SlotVersions {
  const random = seededRandom(seed);
  const pairs = Array.from({ length: count }, () => [
    SLOT * 0x1_0000 + Math.floor(random() * 0x1_0000),
    Math.floor(random() * 0x1_0000_0000),
  ]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return {
    count,
    fingerprintHighs: Uint32Array.from(pairs, ([high]) => high),
    fingerprintLows: Uint32Array.from(pairs, ([, low]) => low),
    timestamps: new Float64Array(count).fill(7),
    writers: new Uint32Array(count).fill(1),
    froms: new Uint16Array(count).fill(3),
    flags: new Uint8Array(count),
  };
}

/** Goes down to where the two differ, as a leader does; returns the fingerprints there, and the bytes it took. */
function findDifference(own: SlotVersions, theirs: SlotVersions): { found: number[]; bytes: number } {
  const found: number[] = [];
  let bytes = 0;
  const open = [WHOLE];
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const { start, end } = spanOf(theirs, range);
    if (end - start <= MAX_LISTED) {
      bytes += 20 * (end - start);
      const mine = spanOf(own, range);
      const entries = entriesOf(own, mine.start, mine.end);
      const held = new Map(entries.map(({ fingerprint, timestamp }) => [fingerprint, timestamp]));
      for (const { fingerprint, timestamp } of entriesOf(theirs, start, end))
        if (held.get(fingerprint) !== timestamp) found.push(fingerprint);
      continue;
    }
    bytes += 8 * 256;
    for (const byte of differing(foldChildren(own, range, ALL), foldChildren(theirs, range, ALL)))
      open.push(childOf(range, byte));
  }
  return { found, bytes };
}

test('one newer version among 100,000 of a slot is found by a few kilobytes', () => {
  const own = versionsOf(100_000, 1);
  const theirs = versionsOf(100_000, 1);
  theirs.timestamps[54_321] = 8;
  const { found, bytes } = findDifference(own, theirs);
  const [newer] = entriesOf(theirs, 54_321, 54_322);
  assert.deepEqual(found, [newer.fingerprint]);
  assert.ok(bytes < 12 * 1024, `${bytes} bytes`);
  assert.deepEqual(findDifference(own, versionsOf(100_000, 1)).found, []);
});

test('the children of a range hold each of its versions once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 600 }), fc.integer(), (count, seed) => {
      const versions = versionsOf(count, seed);
      let covered = 0;
      for (let byte = 0; byte < 256; byte++) {
        const { start, end } = spanOf(versions, childOf(WHOLE, byte));
        assert.equal(start, covered);
        covered = end;
      }
      assert.equal(covered, count);
    }),
    { numRuns: 20 },
  );
});

test('a fold leaves out what is not for both, and what may be purged', () => {
  const versions = versionsOf(3, 9);
  versions.froms[0] = 1;
  versions.flags[1] = RecordFlag.tombstone;
  const onlyLast = { ...versionsOf(3, 9) };
  onlyLast.froms[0] = 1;
  onlyLast.flags[1] = RecordFlag.tombstone;
  onlyLast.timestamps[0] = 1;
  onlyLast.timestamps[1] = 6;
  const scope = { minFrom: 2, purgeableTo: 7 };
  assert.deepEqual(foldChildren(versions, WHOLE, scope), foldChildren(onlyLast, WHOLE, scope));
  assert.notDeepEqual(foldChildren(versions, WHOLE, ALL), foldChildren(onlyLast, WHOLE, ALL));
  const purgedNot = { minFrom: 2, purgeableTo: 6 };
  assert.notDeepEqual(foldChildren(versions, WHOLE, purgedNot), foldChildren(versions, WHOLE, scope));
});
