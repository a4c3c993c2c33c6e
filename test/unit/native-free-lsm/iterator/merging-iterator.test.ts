import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordTimestamp } from '../../../../native-free-lsm/format/record.ts';
import { KeyBound } from '../../../../native-free-lsm/iterator/key-bound.ts';
import { MergingIterator } from '../../../../native-free-lsm/iterator/merging-iterator.ts';
import { Page } from '../../../../native-free-lsm/iterator/page.ts';
import { PageBuilder } from '../../../../native-free-lsm/iterator/page-builder.ts';
import type { RecordIterator } from '../../../../native-free-lsm/iterator/record-iterator.ts';
import { CoverWindow } from '../../../../native-free-lsm/range-tombstones/cover-window.ts';
import {
  arbitraryKey,
  cursorOf,
  drain,
  type Entry,
  entryOf,
  printable,
  recordOf,
  sortedUnique,
  tableOf,
} from '../sstable/table-support.ts';

/** Gives every entry from buffers it overwrites at each move, as memory that is used again is. */
class ListIterator implements RecordIterator {
  valid = false;
  readonly keyBytes = new Uint8Array(400);
  readonly keyStart = 3;
  keyEnd = 0;
  readonly recordBytes = new Uint8Array(400);
  readonly recordStart = 5;
  recordEnd = 0;
  readonly #entries: readonly Entry[];
  readonly #isReverse: boolean;
  #at = 0;

  /** @param entries in key order, also when they are walked in reverse */
  constructor(entries: readonly Entry[], isReverse = false) {
    this.#entries = isReverse ? entries.toReversed() : entries;
    this.#isReverse = isReverse;
  }

  seekToFirst(): void {
    this.#stand(0);
  }

  seek(key: Uint8Array, start: number, end: number): void {
    const wanted = key.subarray(start, end);
    const at = this.#entries.findIndex(({ key: found }) =>
      this.#isReverse ? Buffer.compare(found, wanted) < 0 : Buffer.compare(found, wanted) >= 0,
    );
    this.#stand(at < 0 ? this.#entries.length : at);
  }

  next(): void {
    assert.ok(this.valid, 'moved on from nowhere');
    this.#stand(this.#at + 1);
  }

  #stand(at: number): void {
    this.#at = at;
    this.keyBytes.fill(0xee);
    this.recordBytes.fill(0xee);
    this.valid = at < this.#entries.length;
    if (!this.valid) return;
    const { key, record } = this.#entries[at];
    this.keyBytes.set(key, this.keyStart);
    this.keyEnd = this.keyStart + key.length;
    this.recordBytes.set(record, this.recordStart);
    this.recordEnd = this.recordStart + record.length;
  }
}

/** One that can be let run, and runs as far as it may. */
class RunningIterator extends ListIterator {
  addRun(page: PageBuilder, bound: KeyBound): boolean {
    do {
      const { keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd } = this;
      if (!page.add(keyBytes, keyStart, keyEnd, recordBytes, recordStart, recordEnd)) return false;
      this.next();
    } while (this.valid && bound.admits(this.keyBytes, this.keyStart, this.keyEnd));
    return true;
  }
}

/** What is before the bound, page by page, each with its own walk from where the one before ended. */
function paged(
  merged: MergingIterator,
  pageBytes: number,
  end: Uint8Array | null,
  isReverse = false,
): Entry[] {
  const bound = new KeyBound();
  if (end !== null && isReverse) bound.setAtOrAbove(end, 0, end.length);
  else if (end !== null) bound.setBelow(end, 0, end.length);
  const found: Entry[] = [];
  const builder = new PageBuilder();
  const contents = { maxEntries: 1000, includeTombstones: true, encoder: null, nowMs: 0 };
  merged.seekToFirst();
  for (;;) {
    builder.begin(new Uint8Array(pageBytes), 0, pageBytes, contents);
    let goesOn = true;
    while (goesOn && merged.valid && bound.admits(merged.keyBytes, merged.keyStart, merged.keyEnd)) {
      goesOn = merged.addRun(builder, bound);
    }
    const page = new Page(builder.bytes, builder.at, null);
    while (page.next()) {
      const key = Buffer.from(page.bytes.subarray(page.keyStart, page.keyEnd));
      found.push({ key, record: Buffer.from(page.bytes.subarray(page.recordStart, page.recordEnd)) });
    }
    if (goesOn) return found;
    const resumeAt = Buffer.from(merged.keyBytes.subarray(merged.keyStart, merged.keyEnd));
    const from = isReverse ? Buffer.concat([resumeAt, Buffer.of(0)]) : resumeAt;
    merged.seek(from, 0, from.length);
  }
}

interface Version {
  readonly key: Uint8Array;
  readonly timestamp: number;
  readonly writer: number;
}

const arbitrarySources = fc.array(
  fc
    .array(fc.record({ key: arbitraryKey, timestamp: fc.nat(3), writer: fc.nat(2) }), { maxLength: 30 })
    .map((versions) => {
      const keys = sortedUnique(versions.map((version) => version.key));
      return keys.map((key) => versions.find((version) => Buffer.compare(version.key, key) === 0) as Version);
    }),
  { maxLength: 20 },
);

/** Records say which source they are of. */
function listsOf(sources: readonly (readonly Version[])[]): Entry[][] {
  return sources.map((versions, source) =>
    versions.map(({ key, timestamp, writer }) => ({ key, record: recordOf(`${source}`, timestamp, writer) })),
  );
}

/** The merge as one would write it without thinking of speed. */
function expectedMerge(sources: readonly (readonly Version[])[]): Entry[] {
  const lists = listsOf(sources);
  const all = sources.flatMap((versions, source) =>
    versions.map((version, i) => ({ ...version, source, entry: lists[source][i] })),
  );
  all.sort(
    (a, b) =>
      Buffer.compare(a.key, b.key) || b.timestamp - a.timestamp || b.writer - a.writer || a.source - b.source,
  );
  return all
    .filter((version, i) => i === 0 || Buffer.compare(version.key, all[i - 1].key) !== 0)
    .map((version) => version.entry);
}

test('each key comes once, in either order, in its newest version, of equal ones the earliest source', () => {
  fc.assert(
    fc.property(arbitrarySources, arbitraryKey, fc.boolean(), (sources, from, isReverse) => {
      const lists = listsOf(sources).map((list) => new ListIterator(list, isReverse));
      const merged = new MergingIterator(lists, isReverse);
      assert.equal(merged.valid, false);
      merged.seekToFirst();
      const ascending = expectedMerge(sources);
      const expected = isReverse ? ascending.toReversed() : ascending;
      assert.deepEqual(printable(drain(merged)), printable(expected));
      const padded = Buffer.concat([Buffer.from('..'), from]);
      merged.seek(padded, 2, padded.length);
      const rest = expected.filter((entry) => Buffer.compare(entry.key, from) < 0 === isReverse);
      assert.deepEqual(printable(drain(merged)), printable(rest));
    }),
    { numRuns: 300 },
  );
});

/** Keys that begin alike for as long as a prefix may be and a little longer, and then differ in few bytes, zeros too. */
const arbitraryAlike = fc
  .tuple(
    fc.constantFrom(0, 1, 3, 4, 125, 126, 127, 128, 129, 130, 131, 132, 200),
    fc.array(fc.constantFrom(0, 1, 0xff), { maxLength: 7 }),
  )
  .map(([alike, rest]) => Buffer.concat([Buffer.alloc(alike, 'p'), Buffer.from(rest)]));

test('so it is with keys that begin alike', () => {
  const versions = fc.record({ key: arbitraryAlike, timestamp: fc.nat(3), writer: fc.nat(2) });
  const sources = fc.array(
    fc.array(versions, { maxLength: 60 }).map((all) => {
      const keys = sortedUnique(all.map(({ key }) => key));
      return keys.map((key) => all.find((version) => Buffer.compare(version.key, key) === 0) as Version);
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(sources, arbitraryAlike, fc.boolean(), (all, from, isReverse) => {
      const merged = new MergingIterator(
        listsOf(all).map((list) => new ListIterator(list, isReverse)),
        isReverse,
      );
      const ascending = expectedMerge(all);
      const expected = isReverse ? ascending.toReversed() : ascending;
      merged.seekToFirst();
      assert.deepEqual(printable(drain(merged)), printable(expected));
      merged.seek(from, 0, from.length);
      const rest = expected.filter((entry) => Buffer.compare(entry.key, from) < 0 === isReverse);
      assert.deepEqual(printable(drain(merged)), printable(rest));
    }),
    { numRuns: 300 },
  );
});

test('keys of many sources that take turns are given in order while what they have in common changes', () => {
  const numbers = Array.from({ length: 5000 }, (_, i) => 98_000 + i);
  const lists = Array.from({ length: 5 }, (_, source) =>
    numbers
      .filter((number) => (number * 7919) % 5 === source || number % 97 === 0)
      .map((number) => entryOf(String(number).padStart(16, '0'), `${source}`, 1)),
  );
  for (const isReverse of [false, true]) {
    const merged = new MergingIterator(
      lists.map((list) => new ListIterator(list, isReverse)),
      isReverse,
    );
    merged.seekToFirst();
    const found = drain(merged).map(({ key }) => Number(Buffer.from(key).toString()));
    assert.deepEqual(found, isReverse ? numbers.toReversed() : numbers);
  }
});

test('pages of runs hold the same, wherever pages end and whichever sources can be let run', () => {
  const clustered = arbitrarySources.map((sources) =>
    // Keys of a source side by side, so that there are runs.
    sources.map((versions, source) =>
      versions.map((version, i) =>
        i % 3 === 0 ? version : { ...version, key: Buffer.concat([Buffer.of(source), version.key]) },
      ),
    ),
  );
  const sorted = clustered.map((sources) =>
    sources.map((versions) =>
      sortedUnique(versions.map(({ key }) => key)).map(
        (key) => versions.find((version) => Buffer.compare(version.key, key) === 0) as Version,
      ),
    ),
  );
  const end = fc.option(arbitraryKey, { freq: 3 });
  fc.assert(
    fc.property(
      sorted,
      fc.constantFrom(400, 1000, 1 << 20),
      end,
      fc.nat(),
      fc.boolean(),
      (sources, pageBytes, to, kinds, isReverse) => {
        const lists = listsOf(sources);
        const kindOf = (i: number) => ((kinds >> (i % 8)) & 1 ? RunningIterator : ListIterator);
        const merged = new MergingIterator(
          lists.map((list, i) => new (kindOf(i))(list, isReverse)),
          isReverse,
        );
        const admitted = expectedMerge(sources).filter(
          ({ key }) => to === null || Buffer.compare(key, to) < 0 !== isReverse,
        );
        const expected = printable(isReverse ? admitted.toReversed() : admitted);
        assert.deepEqual(printable(paged(merged, pageBytes, to, isReverse)), expected);
        const tables = lists
          .filter((list) => list.length > 0)
          .map((list) => cursorOf(tableOf(list, { blockSizeBytes: 100 }), 1000, isReverse));
        const mergedTables = new MergingIterator(tables, isReverse);
        assert.deepEqual(printable(paged(mergedTables, pageBytes, to, isReverse)), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test('a seek in the middle of a walk starts over', () => {
  const merged = new MergingIterator([
    new ListIterator(['a', 'c', 'e'].map((key) => entryOf(key, 'new', 2))),
    new ListIterator(['a', 'b', 'e'].map((key) => entryOf(key, 'old', 1))),
  ]);
  merged.seekToFirst();
  merged.next();
  merged.seek(Buffer.from('c'), 0, 1);
  const expected = [entryOf('c', 'new', 2), entryOf('e', 'new', 2)];
  assert.deepEqual(printable(drain(merged)), printable(expected));
});

test('a merge of nothing, and of empty sources, is empty', () => {
  for (const sources of [[], [new ListIterator([])], [new ListIterator([]), new ListIterator([])]]) {
    const merged = new MergingIterator(sources);
    merged.seekToFirst();
    assert.equal(merged.valid, false);
    merged.seek(Buffer.from('a'), 0, 1);
    assert.equal(merged.valid, false);
  }
});

test('tables merge, and merges merge', () => {
  const table = (names: string, timestamp: number) => {
    const { reader, fs, fd } = tableOf([...names].map((key) => entryOf(key, `${timestamp}`, timestamp)));
    return reader.iterator(fs, fd, 1000);
  };
  const merged = new MergingIterator([
    new MergingIterator([table('ace', 5), table('abcz', 4)]),
    table('defz', 9),
  ]);
  merged.seekToFirst();
  const expected = [...'a5 b4 c5 d9 e9 f9 z9'.split(' ')].map(([key, time]) =>
    entryOf(key, time, Number(time)),
  );
  assert.deepEqual(printable(drain(merged)), printable(expected));
});

test('an error of a source comes through, and the merge stands nowhere then', () => {
  const failing = new ListIterator([entryOf('a'), entryOf('b')]);
  failing.next = () => {
    throw new Error('the disk is gone');
  };
  const merged = new MergingIterator([failing, new ListIterator([entryOf('a')])]);
  merged.seekToFirst();
  assert.throws(() => merged.next(), /the disk is gone/);
  assert.equal(merged.valid, false);
});

test('a merge that is a source passes over what a window hides, and over nothing else', () => {
  const window = new CoverWindow();
  window.open();
  window.timestamp = 10;
  const entries = (keys: string, timestamp: number): Entry[] =>
    [...keys].map((key) => entryOf(key, 'value', timestamp));
  for (const isReverse of [false, true]) {
    const inner = new MergingIterator(
      [new ListIterator(entries('mp', 20), isReverse), new ListIterator(entries('cm', 5), isReverse)],
      isReverse,
    );
    const outer = new MergingIterator([inner, new ListIterator(entries('abcmz', 1), isReverse)], isReverse);
    outer.seekToFirst();
    const shown: string[] = [];
    while (outer.valid) {
      if (recordTimestamp(outer.recordBytes, outer.recordStart) < window.timestamp) {
        assert.equal(outer.passHidden(window), true);
        continue;
      }
      const key = Buffer.from(outer.keyBytes.subarray(outer.keyStart, outer.keyEnd)).toString();
      assert.equal(inner.passHidden(window), false, 'what it stands at is not hidden');
      shown.push(key);
      outer.next();
    }
    assert.deepEqual(shown, isReverse ? ['p', 'm'] : ['m', 'p']);
  }
});
