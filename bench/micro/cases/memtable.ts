import { hashBytes } from '../../../native-free-lsm/format/bytes.ts';
import { InsertStatus, Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { type Entry, evenEntries, oddKey, shuffled, sumOf } from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

const KEYS = 8192;
const ARENA_BYTES = 2 << 20;

function insertAll(memtable: Memtable, entries: readonly Entry[]): number {
  let applied = 0;
  for (const { key, record } of entries) {
    if (memtable.insert(key, 0, key.length, record, 0, record.length) === InsertStatus.applied) applied++;
  }
  memtable.publish();
  return applied;
}

function filled(entries: readonly Entry[]): Memtable {
  const memtable = new Memtable(new SharedArrayBuffer(ARENA_BYTES));
  memtable.reset(1);
  insertAll(memtable, shuffled(entries));
  return memtable;
}

/** An emptied arena each time: 256 KiB of index to clear for 8,192 keys, under a hundredth of the time. */
function inserting(order: (entries: Entry[]) => Entry[]): PreparedCase {
  const entries = order(evenEntries(KEYS));
  const memtable = new Memtable(new SharedArrayBuffer(ARENA_BYTES));
  let generation = 0;
  return {
    run: () => {
      // The heights of nodes are drawn from the generation: four of them, so that no lucky draw is measured.
      memtable.reset(1 + (generation++ & 3));
      return insertAll(memtable, entries);
    },
    expected: KEYS,
  };
}

function finding(keys: readonly Uint8Array[], memtable: Memtable, expected: number): PreparedCase {
  const limit = memtable.publishedOffset;
  return {
    run: () => {
      let bytes = 0;
      for (const key of keys) {
        const entry = memtable.find(key, 0, key.length, limit, hashBytes(key, 0, key.length));
        if (entry !== 0) bytes += memtable.recordEnd(entry) - memtable.recordStart(entry);
      }
      return bytes;
    },
    expected,
  };
}

function scanning(): PreparedCase {
  const entries = evenEntries(KEYS);
  const memtable = filled(entries);
  const iterator = memtable.iterator(memtable.publishedOffset);
  return {
    run: () => {
      let bytes = 0;
      for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
        bytes += iterator.keyEnd - iterator.keyStart + iterator.recordEnd - iterator.recordStart;
      }
      return bytes;
    },
    expected: sumOf(entries, ({ key, record }) => key.length + record.length),
  };
}

function seeking(): PreparedCase {
  const entries = evenEntries(KEYS);
  const memtable = filled(entries);
  const iterator = memtable.iterator(memtable.publishedOffset);
  // From each key between two others to the next that is there; behind the last there is none.
  const keys = shuffled(entries.slice(0, -1).map((_, index) => oddKey(index)));
  return {
    run: () => {
      let lastBytes = 0;
      for (const key of keys) {
        iterator.seek(key, 0, key.length);
        lastBytes += iterator.keyBytes[iterator.keyEnd - 1];
      }
      return lastBytes;
    },
    expected: sumOf(entries.slice(1), ({ key }) => key[key.length - 1]),
  };
}

export const cases: readonly MicroCase[] = [
  {
    name: 'memtable: insert, keys in any order',
    operations: KEYS,
    prepare: () => inserting(shuffled),
  },
  {
    name: 'memtable: insert, keys ascending',
    operations: KEYS,
    prepare: () => inserting((entries) => entries),
  },
  {
    name: 'memtable: find, hit',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const keys = shuffled(entries.map(({ key }) => key));
      return finding(
        keys,
        filled(entries),
        sumOf(entries, ({ record }) => record.length),
      );
    },
  },
  {
    name: 'memtable: find, miss',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return finding(shuffled(entries.map((_, index) => oddKey(index))), filled(entries), 0);
    },
  },
  { name: 'memtable: seek', operations: KEYS - 1, prepare: seeking },
  { name: 'memtable: scan, an entry', operations: KEYS, prepare: scanning },
];
