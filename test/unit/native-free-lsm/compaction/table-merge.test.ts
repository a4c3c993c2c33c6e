import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TableMerge } from '../../../../native-free-lsm/compaction/table-merge.ts';
import { encodeRecord, recordTimestamp, recordWriter } from '../../../../native-free-lsm/format/record.ts';
import { CursorIterator } from '../../../../native-free-lsm/iterator/cursor-iterator.ts';
import { MergingIterator } from '../../../../native-free-lsm/iterator/merging-iterator.ts';
import type { RecordWalk } from '../../../../native-free-lsm/iterator/record-iterator.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { BlockCursor } from '../../../../native-free-lsm/sstable/block.ts';
import { BlockBuilder } from '../../../../native-free-lsm/sstable/block-builder.ts';
import { commonPrefixBytes } from '../../../../native-free-lsm/sstable/separator.ts';
import { TableWriter } from '../../../../native-free-lsm/sstable/table-writer.ts';
import { HASH_SEED } from '../../../support/hash-flood.ts';

interface Entry {
  readonly key: Uint8Array;
  readonly timestamp: number;
  readonly writer: number;
}

/** Entries in the order given, in blocks that the cursor takes one after the other, as those of a table. */
class Blocks extends CursorIterator<BlockCursor> {
  readonly #blocks: Uint8Array[] = [];
  #next = 0;

  constructor(entries: readonly Entry[], entriesPerBlock: number, restartInterval: number) {
    super(new BlockCursor());
    for (let first = 0; first < entries.length; first += entriesPerBlock) {
      const builder = new BlockBuilder(restartInterval, 64);
      let previous: Uint8Array = new Uint8Array(0);
      for (const { key, timestamp, writer } of entries.slice(first, first + entriesPerBlock)) {
        const record = encodeRecord({ timestamp, writer, tombstone: false, from: 1, expiryMs: 0 }, key);
        const shared = commonPrefixBytes(previous, 0, previous.length, key, 0, key.length);
        builder.add(shared, key, 0, key.length, record, 0, record.length);
        previous = key;
      }
      this.#blocks.push(builder.bytes.slice(0, builder.finish()));
    }
  }

  override seekToFirst(): void {
    this.cursor.clear();
    this.#next = 0;
    this.settle();
  }

  protected override settle(): void {
    const { cursor } = this;
    while (!cursor.valid && this.#next < this.#blocks.length) {
      const block = this.#blocks[this.#next++];
      cursor.reset(block, 0, block.length);
      cursor.seekToFirst();
    }
  }
}

function walk(merge: RecordWalk): string[] {
  const shown: string[] = [];
  for (merge.seekToFirst(); merge.valid; merge.next()) {
    const key = Buffer.from(merge.keyBytes.subarray(merge.keyStart, merge.keyEnd)).toString('hex');
    const record = merge.recordBytes.subarray(merge.recordStart, merge.recordEnd);
    shown.push(`${key} ${recordTimestamp(record, 0)} ${recordWriter(record, 0)} ${record.length}`);
  }
  return shown;
}

/** Short keys of few bytes, and long ones that begin alike: much is the same, and much the beginning of something else. */
const arbitraryMergedKey: fc.Arbitrary<Buffer> = fc.oneof(
  fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.constantFrom('', 'k'.repeat(40), 'k'.repeat(300)), fc.nat(60))
    .map(([a, b]) => Buffer.from(`${a}${b}`)),
);

const arbitrarySource: fc.Arbitrary<Entry[]> = fc
  .uniqueArray(
    fc.record({ key: arbitraryMergedKey, timestamp: fc.integer({ min: 1, max: 3 }), writer: fc.nat(2) }),
    { maxLength: 40, selector: ({ key }) => key.toString('hex') },
  )
  .map((entries) => entries.sort((a, b) => Buffer.compare(a.key, b.key)));

test('it shows what another way to merge shows, of any number of sources, and again', () => {
  let mostShown = 0;
  fc.assert(
    fc.property(
      fc.array(arbitrarySource, { maxLength: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 5 }),
      (sources, entriesPerBlock, restartInterval) => {
        const open = () => sources.map((entries) => new Blocks(entries, entriesPerBlock, restartInterval));
        const expected = walk(new MergingIterator(open()));
        const merge = new TableMerge(open());
        assert.deepEqual(walk(merge), expected);
        assert.deepEqual(walk(merge), expected);
        mostShown = Math.max(mostShown, expected.length);
      },
    ),
    { numRuns: 400 },
  );
  assert.ok(mostShown > 40);
});

test('of equal versions the one of the first source is shown', () => {
  const of = (timestamp: number, writer: number, key: string) => ({
    key: Buffer.from(key),
    timestamp,
    writer,
  });
  const same = (length: number) => new Blocks([of(5, 1, 'a'), of(5, length, 'b')], 2, 2);
  const merge = new TableMerge([same(1), same(1), same(2)]);
  assert.deepEqual(walk(merge), ['61 5 1 17', '62 5 2 17']);
  const first = new Blocks([of(5, 1, 'a')], 1, 1);
  const second = new Blocks([of(5, 1, 'a')], 1, 1);
  const ofTwo = new TableMerge([first, second]);
  ofTwo.seekToFirst();
  assert.equal(ofTwo.recordBytes, first.recordBytes);
});

test('of a source whose keys do not ascend nothing is left out without an error', () => {
  const entry = (key: string) => ({ key: Buffer.from(key), timestamp: 1, writer: 1 });
  for (const keys of [
    ['b', 'a'],
    ['abc', 'ab'],
    ['abc', ''],
    ['a', 'abc', 'ab', 'b'],
  ]) {
    for (const others of [[], [['aa', 'c']], [['aa', 'c'], ['ab']]]) {
      const fs = new MemoryFileSystem();
      fs.makeDirectorySync('/db');
      using writer = new TableWriter(fs, '/db', 1, {
        blockSizeBytes: 64,
        restartInterval: 4,
        compression: 'none',
        zstdLevel: 1,
        bloomBitsPerKey: 0,
        hashSeed: HASH_SEED,
        slotVersions: false,
        fingerprintSeed: HASH_SEED,
      });
      const merge = new TableMerge([keys, ...others].map((of) => new Blocks(of.map(entry), 3, 2)));
      assert.throws(
        () => {
          for (merge.seekToFirst(); merge.valid; merge.next())
            writer.add(
              merge.keyBytes,
              0,
              merge.keyEnd,
              merge.recordBytes,
              merge.recordStart,
              merge.recordEnd,
            );
        },
        { code: 'INVALID_ARGUMENT' },
        keys.join(),
      );
    }
  }
});
