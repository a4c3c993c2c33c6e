import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { slotOf } from '../../../../native-free-lsm/format/slot.ts';
import type { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import { SlotRows } from '../../../../native-free-lsm/slots/slot-rows.ts';
import { loadTable, readTableMetadata } from '../../../../native-free-lsm/sstable/load-table.ts';
import { SlotSection } from '../../../../native-free-lsm/sstable/slot-section.ts';
import { headBytes } from '../../../../native-free-lsm/sstable/slot-section-format.ts';
import { readTableLayout } from '../../../../native-free-lsm/sstable/table-format.ts';
import type { TableHandle } from '../../../../native-free-lsm/sstable/table-handle.ts';
import type { TableMetadata } from '../../../../native-free-lsm/sstable/table-metadata.ts';
import { TableReader } from '../../../../native-free-lsm/sstable/table-reader.ts';
import {
  assertDamage,
  DIRECTORY,
  drain,
  emptyFileSystem,
  numberedEntries,
  writeTable,
} from './table-support.ts';

const FILE = '/db/000001.sst';
const FOUND = ['CORRUPTION', 'UNSUPPORTED_FORMAT'] as const;
const ENTRIES = numberedEntries(30, Buffer.from('half of this value is compressible '.repeat(2)));

/** Loads the table and reads every block of it, and every piece of its slot versions. */
function readAll(fs: MemoryFileSystem, metadata: TableMetadata): void {
  const handle = loadTable(fs, DIRECTORY, metadata);
  const reader = new TableReader(handle);
  const fd = fs.openReadSync(FILE);
  readSlots(fs, handle, fd);
  for (let ordinal = 0; ordinal < reader.blockCount; ordinal++) {
    reader.readBlock(fs, fd, ordinal, new Uint8Array(reader.blockMemoryBytes(ordinal)), 0);
  }
}

const SLOTS = [...new Set(ENTRIES.map(({ key }) => slotOf(key)))].sort((a, b) => a - b);

function readSlots(fs: MemoryFileSystem, { path, slots }: TableHandle, fd: number): void {
  assert.ok(slots !== null);
  const section = new SlotSection(fs, () => fd, path, slots, slots.head, false);
  const rows = new SlotRows();
  for (const slot of SLOTS) section.collect(slot, rows, 0);
  assert.equal(rows.count, ENTRIES.length);
}

/** Loads the table and walks over it. */
function walkAll(fs: MemoryFileSystem, metadata: TableMetadata): void {
  const handle = loadTable(fs, DIRECTORY, metadata);
  const fd = fs.openReadSync(FILE);
  readSlots(fs, handle, fd);
  const iterator = new TableReader(handle).iterator(fs, fd, 1000);
  iterator.seekToFirst();
  drain(iterator);
}

for (const compression of ['none', 'lz4', 'zstd'] as const) {
  test(`any changed byte of a table is found, compression ${compression}`, () => {
    const fs = emptyFileSystem();
    const metadata = writeTable(fs, ENTRIES, { compression });
    readAll(fs, metadata);
    walkAll(fs, metadata);
    const whole = fs.contents(FILE);
    for (let at = 0; at < whole.length; at++) {
      const damaged = Uint8Array.from(whole);
      damaged[at] ^= 1 << (at & 7);
      fs.place(FILE, damaged);
      assertDamage(() => readAll(fs, metadata), FILE, whole.length, FOUND);
      assertDamage(() => walkAll(fs, metadata), FILE, whole.length, FOUND);
    }
  });

  test(`a table cut short anywhere, or with something behind it, is found, compression ${compression}`, () => {
    const fs = emptyFileSystem();
    const metadata = writeTable(fs, ENTRIES, { compression });
    const whole = fs.contents(FILE);
    for (let length = 0; length < whole.length; length++) {
      fs.place(FILE, whole.subarray(0, length));
      assertDamage(() => readTableMetadata(fs, DIRECTORY, 1, 1), FILE, length);
      assertDamage(() => loadTable(fs, DIRECTORY, metadata), FILE, whole.length);
    }
    fs.place(FILE, Buffer.concat([whole, Buffer.from('x')]));
    assertDamage(() => readTableMetadata(fs, DIRECTORY, 1, 1), FILE, whole.length + 1);
  });
}

test('a table whose end is anything at all is loaded as it was written or refused', () => {
  const fs = emptyFileSystem();
  const metadata = writeTable(fs, ENTRIES);
  const whole = fs.contents(FILE);
  const { dataBytes } = readTableLayout(fs, fs.openReadSync(FILE), FILE);
  const { slots } = loadTable(fs, DIRECTORY, metadata);
  assert.ok(slots !== null);
  const readBytes = headBytes(slots.head);
  const loadedPart = (file: Uint8Array): Buffer =>
    Buffer.concat([
      file.subarray(dataBytes, slots.offset + readBytes),
      file.subarray(slots.offset + slots.lengthBytes),
    ]);
  const place = fc.integer({ min: dataBytes - 300, max: whole.length });
  fc.assert(
    fc.property(place, fc.uint8Array({ maxLength: 300 }), fc.boolean(), (at, bytes, isEnd) => {
      const rest = isEnd ? Buffer.alloc(0) : whole.subarray(Math.min(whole.length, at + bytes.length));
      const file = Buffer.concat([whole.subarray(0, at), bytes, rest]);
      fs.place(FILE, file);
      const load = () => loadTable(fs, DIRECTORY, metadata);
      // Data blocks may be anything here, and slot versions behind their head: they are not read.
      if (file.length === whole.length && Buffer.compare(loadedPart(file), loadedPart(whole)) === 0) load();
      else assertDamage(load, FILE, Math.max(file.length, whole.length), FOUND);
    }),
    { numRuns: 500 },
  );
});

test('a table cut short under an open reader is found', () => {
  const fs = emptyFileSystem();
  const metadata = writeTable(fs, ENTRIES);
  const reader = new TableReader(loadTable(fs, DIRECTORY, metadata));
  const fd = fs.openWriteSync(FILE);
  fs.truncateSync(fd, 300);
  const target = new Uint8Array(1000);
  assert.ok(reader.readBlock(fs, fd, 0, target, 0) > 0);
  assertDamage(
    () => reader.readBlock(fs, fd, reader.blockCount - 1, target, 0),
    FILE,
    metadata.fileSizeBytes,
  );
});
