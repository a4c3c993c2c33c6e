import { KeyBound } from '../../../native-free-lsm/iterator/key-bound.ts';
import { MergingIterator } from '../../../native-free-lsm/iterator/merging-iterator.ts';
import { PAGE_ENTRY_HEADER_BYTES } from '../../../native-free-lsm/iterator/page.ts';
import { PageBuilder } from '../../../native-free-lsm/iterator/page-builder.ts';
import type { RecordIterator } from '../../../native-free-lsm/iterator/record-iterator.ts';
import { Memtable } from '../../../native-free-lsm/memtable/memtable.ts';
import type { TableWriterOptions } from '../../../native-free-lsm/sstable/table-writer.ts';
import { type Entry, evenEntries, openTable, recordOf, sumOf, TABLE_OPTIONS } from '../inputs.ts';
import type { MicroCase, PreparedCase } from '../micro-case.ts';

const KEYS = 4096;
const READAHEAD_BYTES = 256 * 1024;
const ZSTD: TableWriterOptions = { ...TABLE_OPTIONS, compression: 'zstd', blockSizeBytes: 16 * 1024 };

function entryBytes(entries: readonly Entry[]): number {
  return sumOf(entries, ({ key, record }) => key.length + record.length);
}

function scanning(iterator: RecordIterator, expected: number): PreparedCase {
  return {
    run: () => {
      let bytes = 0;
      for (iterator.seekToFirst(); iterator.valid; iterator.next()) {
        bytes += iterator.keyEnd - iterator.keyStart + iterator.recordEnd - iterator.recordStart;
      }
      return bytes;
    },
    expected,
  };
}

/** Fills pages as a reader does. */
function paging(merge: MergingIterator, expected: number): PreparedCase {
  const page = new PageBuilder();
  const everything = new KeyBound();
  const bytes = new Uint8Array(1 << 20);
  const contents = { maxEntries: KEYS, includeTombstones: true, encoder: null, nowMs: 0 };
  return {
    run: () => {
      page.begin(bytes, 0, bytes.length, contents);
      merge.seekToFirst();
      while (merge.valid) merge.addRun(page, everything);
      return page.at;
    },
    expected,
  };
}

function tableIterator(entries: readonly Entry[], options: TableWriterOptions): RecordIterator {
  const { fs, reader, fd } = openTable(entries, options);
  return reader.iterator(fs, fd, READAHEAD_BYTES);
}

function memtableIterator(entries: readonly Entry[]): RecordIterator {
  const memtable = new Memtable(new SharedArrayBuffer(2 << 20));
  memtable.reset(1);
  for (const { key, record } of entries) memtable.insert(key, 0, key.length, record, 0, record.length);
  memtable.publish();
  return memtable.iterator(memtable.publishedOffset);
}

/** Entry i comes from source i mod 4, so that another source has the smallest key at nearly every step. */
function dealt(entries: readonly Entry[]): Entry[][] {
  return [0, 1, 2, 3].map((source) => entries.filter((_, index) => index % 4 === source));
}

export const cases: readonly MicroCase[] = [
  {
    name: 'scan: a table, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return scanning(tableIterator(entries, TABLE_OPTIONS), entryBytes(entries));
    },
  },
  {
    name: 'scan: a table of zstd, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      return scanning(tableIterator(entries, ZSTD), entryBytes(entries));
    },
  },
  {
    name: 'scan: a table let run into a page, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const merge = new MergingIterator([tableIterator(entries, TABLE_OPTIONS)]);
      return paging(merge, entryBytes(entries) + KEYS * PAGE_ENTRY_HEADER_BYTES);
    },
  },
  {
    name: 'merge: 4 tables taking turns into a page, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const sources = dealt(entries).map((part) => tableIterator(part, TABLE_OPTIONS));
      return paging(new MergingIterator(sources), entryBytes(entries) + KEYS * PAGE_ENTRY_HEADER_BYTES);
    },
  },
  {
    name: 'merge: 4 tables, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const sources = dealt(entries).map((part) => tableIterator(part, TABLE_OPTIONS));
      return scanning(new MergingIterator(sources), entryBytes(entries));
    },
  },
  {
    name: 'merge: a memtable over 3 tables, an entry',
    operations: KEYS,
    prepare: () => {
      const entries = evenEntries(KEYS);
      const [first, ...others] = dealt(entries);
      const sources = others.map((part) => tableIterator(part, TABLE_OPTIONS));
      return scanning(new MergingIterator([memtableIterator(first), ...sources]), entryBytes(entries));
    },
  },
  {
    name: 'merge: 2 tables of the same keys, a key',
    operations: KEYS,
    prepare: () => {
      const older = evenEntries(KEYS);
      // They are a byte longer, so that the sum shows which of the two versions was kept.
      const newer = older.map(({ key }, index) => {
        const record = recordOf(index, KEYS + index + 1);
        return { key, record: Buffer.concat([record, Buffer.from('!')]) };
      });
      const sources = [tableIterator(newer, TABLE_OPTIONS), tableIterator(older, TABLE_OPTIONS)];
      return scanning(new MergingIterator(sources), entryBytes(newer));
    },
  },
];
