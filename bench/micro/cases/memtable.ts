import { hashBytes } from '../../../native-free-lsm/format/hash.ts';
import { createArena } from '../../../native-free-lsm/memtable/arena-layout.ts';
import { InsertStatus, Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import { type Entry, evenEntries, HASH_SEED, oddKey, shuffled, sumOf } from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

const KEYS = 8192;
const ARENA_BYTES = 2 << 20;
/** The number of lookups in one run. */
const PIECE = 1024;
/** The number of inserts in one run, which fills a memtable from empty. */
const INSERTS = 2048;

function insertAll(memtable: Memtable, entries: readonly Entry[]): number {
  let applied = 0;
  for (const { key, record } of entries) {
    if (memtable.insert(key, 0, key.length, record, 0, record.length) === InsertStatus.applied) applied++;
  }
  memtable.publish();
  return applied;
}

/** As a replay does it. */
function linkAll(memtable: Memtable, entries: readonly Entry[]): number {
  let applied = 0;
  for (const { key, record } of entries) {
    const status = memtable.insertUnlinked(key, 0, key.length, record, 0, record.length);
    if (status === InsertStatus.applied) applied++;
  }
  memtable.linkNew();
  memtable.publish();
  return applied;
}

function filled(entries: readonly Entry[]): Memtable {
  const memtable = new Memtable(createArena(ARENA_BYTES, HASH_SEED));
  memtable.reset(1);
  insertAll(memtable, shuffled(entries));
  return memtable;
}

/** The arena is emptied each time: that clears 32 KiB of index for 2,048 keys, less than a hundredth of the time. */
function inserting(order: (entries: Entry[]) => Entry[], insert = insertAll): PreparedCase {
  const entries = order(evenEntries(INSERTS));
  const memtable = new Memtable(createArena(ARENA_BYTES / 8, HASH_SEED));
  let generation = 0;
  return {
    run: () => {
      // The heights of nodes follow from the generation: use four of them, so that no lucky draw is measured.
      memtable.reset(1 + (generation++ & 3));
      return insert(memtable, entries);
    },
    expected: INSERTS,
  };
}

/** Goes through the keys piece by piece: a run is short, and still finds memory as a large table leaves it. */
class Pieces {
  readonly #pieces: readonly (readonly Uint8Array[])[];
  #next = 0;

  constructor(keys: readonly Uint8Array[]) {
    this.#pieces = Array.from({ length: KEYS / PIECE }, (_, i) => keys.slice(i * PIECE, (i + 1) * PIECE));
  }

  next(): readonly Uint8Array[] {
    const piece = this.#pieces[this.#next];
    this.#next = (this.#next + 1) % this.#pieces.length;
    return piece;
  }
}

function finding(keys: readonly Uint8Array[], memtable: Memtable, recordBytes: number): PreparedCase {
  const limit = memtable.publishedOffset;
  const pieces = new Pieces(keys);
  return {
    run: () => {
      let bytes = 0;
      for (const key of pieces.next()) {
        const entry = memtable.find(key, 0, key.length, limit, hashBytes(key, 0, key.length, HASH_SEED));
        if (entry !== 0) bytes += memtable.recordEnd(entry) - memtable.recordStart(entry);
      }
      return bytes;
    },
    expected: PIECE * recordBytes,
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
  const memtable = filled(evenEntries(KEYS + 1));
  const iterator = memtable.iterator(memtable.publishedOffset);
  const pieces = new Pieces(shuffled(Array.from({ length: KEYS }, (_, index) => oddKey(index))));
  return {
    run: () => {
      let steps = 0;
      for (const key of pieces.next()) {
        iterator.seek(key, 0, key.length);
        // The last digit of the next even number is larger by one, or 0 after 9.
        steps += (iterator.keyBytes[iterator.keyEnd - 1] - key[key.length - 1] + 10) % 10;
      }
      return steps;
    },
    expected: PIECE,
  };
}

export const cases: readonly MicroCase[] = [
  { name: 'memtable: insert, keys in any order', operations: INSERTS, prepare: () => inserting(shuffled) },
  { name: 'memtable: insert, keys ascending', operations: INSERTS, prepare: () => inserting((keys) => keys) },
  {
    name: 'memtable: insert, linked together, keys in any order',
    operations: INSERTS,
    prepare: () => inserting(shuffled, linkAll),
  },
  {
    name: 'memtable: find, hit',
    operations: PIECE,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return finding(shuffled(entries.map(({ key }) => key)), filled(entries), entries[0].record.length);
    },
  },
  {
    name: 'memtable: find, miss',
    operations: PIECE,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return finding(shuffled(entries.map((_, index) => oddKey(index))), filled(entries), 0);
    },
  },
  { name: 'memtable: seek', operations: PIECE, prepare: seeking },
  { name: 'memtable: scan, an entry', operations: KEYS, prepare: scanning },
];
