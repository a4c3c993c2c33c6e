import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { CoverWindow } from '../../../../native-free-lsm/range-tombstones/cover-window.ts';
import {
  decodeFragments,
  encodeFragments,
} from '../../../../native-free-lsm/range-tombstones/fragment-codec.ts';
import {
  RangeFragments,
  type RangeTombstone,
} from '../../../../native-free-lsm/range-tombstones/fragments.ts';

/** Keys of up to two bytes of three kinds: the empty one, prefixes of others, and neighbours. */
const key = fc.uint8Array({ maxLength: 2, max: 3 });
const tombstone = fc.record({ start: key, end: fc.option(key), timestamp: fc.integer({ min: 1, max: 6 }) });
const tombstones = fc.array(tombstone, { maxLength: 12 });

const ALL_KEYS: Uint8Array[] = [new Uint8Array(0)];
for (let a = 0; a < 4; a++) {
  ALL_KEYS.push(Uint8Array.of(a));
  for (let b = 0; b < 4; b++) ALL_KEYS.push(Uint8Array.of(a, b));
}
ALL_KEYS.sort(Buffer.compare);

/** What hides a key, found by a look at every tombstone. */
function coverOf(all: readonly RangeTombstone[], one: Uint8Array): number {
  let newest = 0;
  for (const { start, end, timestamp } of all) {
    const isIn = Buffer.compare(start, one) <= 0 && (end === null || Buffer.compare(one, end) < 0);
    if (isIn) newest = Math.max(newest, timestamp);
  }
  return newest;
}

function fragmentsOf(all: readonly RangeTombstone[]): RangeFragments {
  const fragments = new RangeFragments();
  for (const { start, end, timestamp } of all) fragments.add(start, end, timestamp);
  return fragments;
}

function assertCovers(fragments: RangeFragments, all: readonly RangeTombstone[]): void {
  for (const one of ALL_KEYS) assert.equal(fragments.coverOf(one, 0, one.length), coverOf(all, one));
  const pieces = [...fragments];
  for (const [i, { start, end }] of pieces.entries()) {
    assert.ok(end === null || Buffer.compare(start, end) < 0, 'a piece has keys');
    const next = pieces[i + 1];
    if (next === undefined) continue;
    assert.ok(end !== null && Buffer.compare(end, next.start) <= 0, 'pieces are in order and apart');
    const isOne = Buffer.compare(end, next.start) === 0 && pieces[i].timestamp === next.timestamp;
    assert.ok(!isOne, 'neighbours that could be one piece are one');
  }
}

test('fragments hide what the range tombstones hide that were added', () => {
  fc.assert(fc.property(tombstones, (all) => assertCovers(fragmentsOf(all), all)));
});

test('lists that are merged hide what each of them hides', () => {
  fc.assert(
    fc.property(fc.array(tombstones, { maxLength: 4 }), (lists) => {
      assertCovers(RangeFragments.merged(lists.map(fragmentsOf)), lists.flat());
    }),
  );
});

test('what lies below a key and what lies from it on are together the whole', () => {
  fc.assert(
    fc.property(tombstones, key, (all, cut) => {
      const fragments = fragmentsOf(all);
      const isBelow = (one: Uint8Array): boolean => Buffer.compare(one, cut) < 0;
      for (const one of ALL_KEYS) {
        const [below, from] = [fragments.below(cut), fragments.from(cut)];
        const covered = coverOf(all, one);
        assert.equal(below.coverOf(one, 0, one.length), isBelow(one) ? covered : 0);
        assert.equal(from.coverOf(one, 0, one.length), isBelow(one) ? 0 : covered);
      }
    }),
  );
});

test('pieces that are not older than a timestamp', () => {
  const fragments = fragmentsOf([
    { start: Uint8Array.of(1), end: Uint8Array.of(3), timestamp: 5 },
    { start: Uint8Array.of(2), end: null, timestamp: 4 },
  ]);
  assert.deepEqual(
    [...fragments.since(5)],
    [{ start: Uint8Array.of(1), end: Uint8Array.of(3), timestamp: 5 }],
  );
});

test('a window has keys with one cover, and ends where that changes in any list', () => {
  fc.assert(
    fc.property(fc.array(tombstones, { maxLength: 3 }), key, (lists, at) => {
      const fragments = lists.map(fragmentsOf);
      const window = new CoverWindow();
      assert.ok(!window.has(at, 0, at.length));
      window.open();
      for (const list of fragments) window.narrow(list, at, 0, at.length);
      assert.ok(window.has(at, 0, at.length));
      for (const one of ALL_KEYS)
        if (window.has(one, 0, one.length)) assert.equal(window.timestamp, coverOf(lists.flat(), one));
      // It is as wide as it can be where there is one list.
      if (fragments.length !== 1) return;
      for (const edge of [window.from, window.until]) {
        if (edge === null) continue;
        const touching = [...fragments[0]].some(
          ({ start, end }) =>
            Buffer.compare(start, edge) === 0 || (end !== null && Buffer.compare(end, edge) === 0),
        );
        assert.ok(touching);
      }
    }),
  );
});

test('what a table has is read as it was written', () => {
  fc.assert(
    fc.property(tombstones, (all) => {
      const fragments = fragmentsOf(all);
      assert.deepEqual([...decodeFragments(shared(encodeFragments(fragments)))], [...fragments]);
    }),
  );
});

test('what is no list of range tombstones is refused', () => {
  const fragments = fragmentsOf([
    { start: Uint8Array.of(1), end: Uint8Array.of(2), timestamp: 7 },
    { start: Uint8Array.of(3), end: null, timestamp: 8 },
  ]);
  const whole = encodeFragments(fragments);
  const refused = (bytes: Uint8Array, message: RegExp): void =>
    void assert.throws(() => decodeFragments(shared(bytes)), message);
  for (let length = 0; length < whole.length; length++) refused(whole.slice(0, length), /checksum/);
  for (const at of whole.keys())
    refused(
      whole.map((byte, i) => (i === at ? byte ^ 1 : byte)),
      /checksum/,
    );
  refused(Uint8Array.of(...whole, 0), /checksum/);
  const resealed = (bytes: Uint8Array): Uint8Array => {
    const view = new DataView(bytes.buffer);
    view.setUint32(8, bytes.length - 16, true);
    view.setUint32(12, crc32(bytes.subarray(16)), true);
    return bytes;
  };
  const changed = (place: number, value: number): Uint8Array =>
    resealed(whole.map((byte, at) => (at === place ? value : byte)));
  refused(resealed(Uint8Array.of(...whole, 0)), /bytes behind the last/);
  refused(resealed(whole.slice(0, 30)), /inside its head/);
  refused(resealed(whole.slice(0, 36)), /leaves its part/);
  refused(changed(35, 1), /above 53 bits/);
  refused(changed(36, 9), /not in order/);
});

test('many pieces can take the place of one', () => {
  const fragments = new RangeFragments();
  for (let i = 0; i < 3000; i++)
    fragments.add(Uint8Array.of(i >> 8, i, 0), Uint8Array.of(i >> 8, i, 1), 10 + (i % 2));
  fragments.add(Uint8Array.of(0), null, 5);
  assert.equal(fragments.count, 6001);
  fragments.add(Uint8Array.of(0), null, 20);
  assert.deepEqual([...fragments], [{ start: Uint8Array.of(0), end: null, timestamp: 20 }]);
});

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
