import { BlockCursor, type BlockHit, searchBlock } from '../../../native-free-lsm/sstable/block.ts';
import { BlockBuilder } from '../../../native-free-lsm/sstable/block-builder.ts';
import { commonPrefixBytes } from '../../../native-free-lsm/sstable/separator.ts';
import {
  type Entry,
  evenEntries,
  inSharedMemory,
  oddKey,
  shuffled,
  sumOf,
  TABLE_OPTIONS,
} from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

/** As many as fit into a block of 4 KiB. */
const KEYS = 100;
const ROUNDS = 16;

function buildBlock(builder: BlockBuilder, entries: readonly Entry[]): number {
  let previous = new Uint8Array(0);
  builder.reset();
  for (const { key, record } of entries) {
    const shared = commonPrefixBytes(previous, 0, previous.length, key, 0, key.length);
    builder.add(shared, key, 0, key.length, record, 0, record.length);
    previous = key as Uint8Array<ArrayBuffer>;
  }
  return builder.finish();
}

/** The block is in shared memory, as in the cache, with other bytes before and behind it. */
function blockOf(entries: readonly Entry[]): { bytes: Uint8Array; start: number; end: number } {
  const builder = new BlockBuilder(TABLE_OPTIONS.restartInterval, TABLE_OPTIONS.blockSizeBytes);
  const length = buildBlock(builder, entries);
  const bytes = new Uint8Array(length + 64);
  bytes.set(builder.bytes.subarray(0, length), 32);
  return { bytes: inSharedMemory(bytes), start: 32, end: 32 + length };
}

function searching(keys: readonly Uint8Array[], expected: number): PreparedCase {
  const { bytes, start, end } = blockOf(evenEntries(KEYS));
  const hit: BlockHit = { recordStart: 0, recordEnd: 0 };
  return {
    run: () => {
      let found = 0;
      for (let round = 0; round < ROUNDS; round++) {
        for (const key of keys) {
          if (searchBlock(bytes, start, end, key, 0, key.length, hit))
            found += hit.recordEnd - hit.recordStart;
        }
      }
      return found;
    },
    expected: ROUNDS * expected,
  };
}

export const cases: readonly MicroCase[] = [
  {
    name: 'block: search, hit',
    operations: KEYS * ROUNDS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return searching(
        shuffled(entries.map(({ key }) => key)),
        sumOf(entries, ({ record }) => record.length),
      );
    },
  },
  {
    name: 'block: search, miss',
    operations: KEYS * ROUNDS,
    prepare: () => searching(shuffled(Array.from({ length: KEYS }, (_, index) => oddKey(index))), 0),
  },
  {
    name: 'block: step through, an entry',
    operations: KEYS * ROUNDS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const { bytes, start, end } = blockOf(entries);
      const cursor = new BlockCursor();
      return {
        run: () => {
          let total = 0;
          for (let round = 0; round < ROUNDS; round++) {
            cursor.reset(bytes, start, end);
            for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
              total += cursor.keyEnd + cursor.recordEnd - cursor.recordStart;
            }
          }
          return total;
        },
        expected: ROUNDS * sumOf(entries, ({ key, record }) => key.length + record.length),
      };
    },
  },
  {
    name: 'block: build, an entry',
    operations: KEYS * ROUNDS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const builder = new BlockBuilder(TABLE_OPTIONS.restartInterval, TABLE_OPTIONS.blockSizeBytes);
      return {
        run: () => {
          let bytes = 0;
          for (let round = 0; round < ROUNDS; round++) bytes += buildBlock(builder, entries);
          return bytes;
        },
        expected: ROUNDS * blockBytes(entries),
      };
    },
  },
];

/** Computed from FORMAT.md: lengths of one byte each, and the bytes of each key that it does not share. */
function blockBytes(entries: readonly Entry[]): number {
  const interval = TABLE_OPTIONS.restartInterval;
  let bytes = 4 * (Math.ceil(entries.length / interval) + 1);
  entries.forEach(({ key, record }, index) => {
    const base = entries[index % interval === 0 ? 0 : index - 1].key;
    let shared = 0;
    if (index > 0) while (key[shared] === base[shared]) shared++;
    bytes += 3 + key.length - shared + record.length;
  });
  return bytes;
}
