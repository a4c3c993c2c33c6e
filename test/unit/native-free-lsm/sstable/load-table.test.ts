import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { checksum } from '../../../../native-free-lsm/format/checksum.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import { loadTable, readTableMetadata } from '../../../../native-free-lsm/sstable/load-table.ts';
import {
  encodeDirectory,
  encodeFooter,
  type MetaBlock,
  MetaBlockType,
  readTableLayout,
} from '../../../../native-free-lsm/sstable/table-format.ts';
import {
  assertDamage,
  DIRECTORY,
  drain,
  emptyFileSystem,
  numberedEntries,
  openTable,
  printable,
  writeTable,
} from './table-support.ts';

const FILE = '/db/000001.sst';
const ENTRIES = numberedEntries(50);

/** Writes the file anew with other parts behind the same data blocks. */
function rebuild(
  bytes: Buffer,
  dataBytes: number,
  parts: [type: number, required: boolean, bytes: Uint8Array][],
) {
  let offset = dataBytes;
  const metaBlocks: MetaBlock[] = parts.map(([type, required, part]) => {
    const block = {
      type,
      required,
      offset,
      lengthBytes: part.length,
      checksum: checksum(part, 0, part.length),
    };
    offset += part.length;
    return block;
  });
  const directory = encodeDirectory(metaBlocks);
  const tail = [...parts.map(([, , part]) => part), directory, encodeFooter(dataBytes, offset, directory)];
  return Buffer.concat([bytes.subarray(0, dataBytes), ...tail]);
}

function writtenParts() {
  const fs = emptyFileSystem();
  const metadata = writeTable(fs, ENTRIES);
  const bytes = Buffer.from(fs.contents(FILE));
  const layout = readTableLayout(fs, fs.openReadSync(FILE), FILE);
  const parts = layout.metaBlocks.map(
    ({ type, required, offset, lengthBytes }): [number, boolean, Uint8Array] => [
      type,
      required,
      bytes.subarray(offset, offset + lengthBytes),
    ],
  );
  const install = (changed: typeof parts) => {
    const file = rebuild(bytes, layout.dataBytes, changed);
    fs.place(FILE, file);
    return { ...metadata, fileSizeBytes: file.length };
  };
  return { fs, metadata, parts, install };
}

test('the metadata of a table can be read back from it alone', () => {
  const { fs, metadata } = writtenParts();
  assert.deepEqual(readTableMetadata(fs, DIRECTORY, 1, 1), metadata);
  assert.equal(readTableMetadata(fs, DIRECTORY, 1, 5).level, 5);
  assert.equal(fs.openDescriptors, 1);
});

test('loading closes what it opened, also after an error', () => {
  const { fs, metadata } = writtenParts();
  loadTable(fs, DIRECTORY, metadata);
  assert.throws(() => loadTable(fs, DIRECTORY, { ...metadata, entries: 1 }));
  assert.equal(fs.openDescriptors, 1);
});

test('a table other than the manifest lists is refused', () => {
  const { fs, metadata } = writtenParts();
  const length = metadata.fileSizeBytes;
  for (const other of [
    { fileSizeBytes: length + 1 },
    { fileSizeBytes: length - 1 },
    { entries: 49 },
    { largestKey: Buffer.from('z') },
    { smallestTimestamp: 0 },
  ]) {
    assertDamage(() => loadTable(fs, DIRECTORY, { ...metadata, ...other }), FILE, length + 1);
  }
  loadTable(fs, DIRECTORY, { ...metadata, level: 4 });
});

test('a missing table is corruption, one that cannot be read is not', () => {
  const { fs, metadata } = writtenParts();
  assertDamage(() => loadTable(fs, DIRECTORY, { ...metadata, id: 2 }), '/db/000002.sst', 0);
  for (const operation of ['openRead', 'size', 'read']) {
    fs.onCall = (call) => {
      if (call.operation === operation) throw fileSystemError('EIO', operation, call.path);
      return undefined;
    };
    assert.throws(
      () => loadTable(fs, DIRECTORY, metadata),
      (error: LsmError) => error instanceof LsmError && error.code === 'IO_ERROR' && error.file === FILE,
    );
  }
});

test('parts of a type to come are skipped, but verified', () => {
  const { fs, parts, install } = writtenParts();
  const metadata = install([...parts, [200, false, Buffer.from('slot digests')]]);
  const table = openTable(fs, metadata);
  const iterator = table.reader.iterator(fs, table.fd, 0);
  iterator.seekToFirst();
  assert.deepEqual(printable(drain(iterator)), printable(ENTRIES));
  const bytes = fs.contents(FILE);
  bytes[Buffer.from(bytes).indexOf('digests')] ^= 1;
  fs.place(FILE, bytes);
  assertDamage(() => loadTable(fs, DIRECTORY, metadata), FILE, bytes.length);
});

test('the order of parts does not matter, but index and properties must be there', () => {
  const { fs, parts, install } = writtenParts();
  loadTable(fs, DIRECTORY, install([...parts].reverse()));
  for (const type of [MetaBlockType.index, MetaBlockType.properties]) {
    const metadata = install(parts.filter((part) => part[0] !== type));
    assertDamage(() => loadTable(fs, DIRECTORY, metadata), FILE, metadata.fileSizeBytes);
  }
  const unfiltered = install(parts.filter((part) => part[0] !== MetaBlockType.bloomFilter));
  assert.equal(loadTable(fs, DIRECTORY, unfiltered).filter.byteLength, 0);
});

test('an index or filter that cannot be right is damage even where its checksum is right', () => {
  const { fs, parts, install } = writtenParts();
  for (const type of [MetaBlockType.index, MetaBlockType.bloomFilter]) {
    const metadata = install(
      parts.map((part) => (part[0] === type ? [part[0], part[1], part[2].subarray(4)] : part)),
    );
    assertDamage(() => loadTable(fs, DIRECTORY, metadata), FILE, metadata.fileSizeBytes);
  }
});
