import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import { compareVersions, encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { createArena } from '../../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../../native-free-lsm/memtable/memtable.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

interface Version {
  readonly timestamp: number;
  readonly writer: number;
  readonly record: Uint8Array;
  /** Publications before the one that shows it. */
  readonly publication: number;
}

/** The dumb version: a list of versions per key, oldest first. */
class Model {
  readonly versions = new Map<string, Version[]>();
  publications = 0;

  insert(
    key: string,
    timestamp: number,
    writer: number,
    record: Uint8Array,
  ): { applied: boolean; met: Version | undefined } {
    const list = this.versions.get(key) ?? [];
    this.versions.set(key, list);
    const met = list.at(-1);
    const applied = met === undefined || compareVersions(timestamp, writer, met.timestamp, met.writer) > 0;
    if (applied) list.push({ timestamp, writer, record, publication: this.publications });
    return { applied, met };
  }

  find(key: string, publications: number): Uint8Array | undefined {
    return this.versions.get(key)?.findLast((version) => version.publication < publications)?.record;
  }

  /** Keys with something visible, in order, from `from` on. */
  keys(publications: number, from: string): string[] {
    return [...this.versions.keys()]
      .filter((key) => key >= from && this.find(key, publications) !== undefined)
      .sort((a, b) => (a < b ? -1 : 1));
  }
}

/** One character a byte, so that the model's order of strings is the order of bytes. */
const latin1 = (text: string) => Buffer.from(text, 'latin1');
const keys = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '\xff'), maxLength: 4 }),
  fc.nat(300).map((n) => `key${n}`),
);
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      key: keys,
      timestamp: fc.oneof(fc.nat(20), fc.maxSafeNat()),
      writer: fc.constantFrom(0, 1, 0xffffffff),
      valueBytes: fc.oneof(fc.nat(8), fc.nat(200)),
      isLinked: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('link' as const),
      most: fc.option(fc.nat(20), { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'publish' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), key: keys, age: fc.nat(5) }) },
);

test('a memtable is a map of versions at every limit it ever published', () => {
  const arena = createArena(256 << 10, HASH_SEED);
  const memtable = new Memtable(arena);
  const reader = new Memtable(arena);
  let generation = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      memtable.reset(++generation);
      const model = new Model();
      const limits = [reader.publishedOffset];

      const readAll = (publications: number, from: string) => {
        const iterator = reader.iterator(limits[publications]);
        const bytes = latin1(from);
        if (from === '') iterator.seekToFirst();
        else iterator.seek(bytes, 0, bytes.length);
        for (const key of model.keys(publications, from)) {
          assert.ok(iterator.valid);
          assert.equal(
            Buffer.from(iterator.keyBytes.slice(iterator.keyStart, iterator.keyEnd)).toString('latin1'),
            key,
          );
          const record = iterator.recordBytes.slice(iterator.recordStart, iterator.recordEnd);
          assert.deepEqual(record, new Uint8Array(model.find(key, publications)!));
          iterator.next();
        }
        assert.equal(iterator.valid, false);
        const reverse = reader.iterator(limits[publications], true);
        if (from === '') reverse.seekToFirst();
        else reverse.seek(bytes, 0, bytes.length);
        const before = model.keys(publications, '').filter((key) => from === '' || key < from);
        for (const key of before.reverse()) {
          assert.ok(reverse.valid);
          const found = Buffer.from(reverse.keyBytes.slice(reverse.keyStart, reverse.keyEnd));
          assert.equal(found.toString('latin1'), key);
          const record = reverse.recordBytes.slice(reverse.recordStart, reverse.recordEnd);
          assert.deepEqual(record, new Uint8Array(model.find(key, publications)!));
          reverse.next();
        }
        assert.equal(reverse.valid, false);
      };

      for (const each of steps) {
        if (each.kind === 'insert') {
          const { timestamp, writer } = each;
          const fields = { timestamp, writer, tombstone: false, from: 0, expiryMs: 0 };
          const record = encodeRecord(fields, Buffer.alloc(each.valueBytes, `${timestamp}`));
          const key = latin1(each.key);
          const expected = model.insert(each.key, timestamp, writer, record);
          const status = each.isLinked
            ? memtable.insert(key, 0, key.length, record, 0, record.length)
            : memtable.insertUnlinked(key, 0, key.length, record, 0, record.length);
          assert.equal(status, expected.applied ? InsertStatus.applied : InsertStatus.stale);
          assert.equal(memtable.metTimestamp, expected.met?.timestamp ?? 0);
          assert.equal(memtable.metWriter, expected.met?.writer ?? 0);
        } else if (each.kind === 'link') {
          const left = Math.max(0, memtable.unlinkedEntries - (each.most ?? memtable.unlinkedEntries));
          memtable.linkNew(each.most);
          assert.equal(memtable.unlinkedEntries, left);
          if (left === 0) assert.equal(reader.unlinkedBytes(reader.publishedOffset), 0);
        } else if (each.kind === 'publish') {
          memtable.publish();
          model.publications++;
          limits.push(reader.publishedOffset);
        } else {
          const publications = Math.max(0, model.publications - each.age);
          const key = latin1(each.key);
          const hash = hashBytes(key, 0, key.length, HASH_SEED);
          const entry = reader.find(key, 0, key.length, limits[publications], hash);
          const found = model.find(each.key, publications);
          assert.equal(entry !== 0, found !== undefined);
          if (found !== undefined) {
            const record = reader.bytes.slice(reader.recordStart(entry), reader.recordEnd(entry));
            assert.deepEqual(record, new Uint8Array(found));
          }
          readAll(publications, each.key);
        }
      }
      memtable.publish();
      model.publications++;
      limits.push(reader.publishedOffset);
      for (const publications of limits.keys()) readAll(publications, '');
      const all = [...model.versions.values()].flat();
      assert.equal(reader.entries, all.length);
      assert.equal(
        reader.largestTimestamp,
        all.reduce((most, { timestamp }) => Math.max(most, timestamp), 0),
      );
    }),
    { numRuns: 60 },
  );
});
