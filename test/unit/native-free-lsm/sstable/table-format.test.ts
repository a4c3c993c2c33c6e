import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { checksum } from '../../../../native-free-lsm/format/checksum.ts';
import {
  encodeDirectory,
  encodeFooter,
  FOOTER_BYTES,
  META_ENTRY_BYTES,
  MetaBlockType,
  readTableLayout,
  requireMetaBlock,
  TABLE_FORMAT_VERSION,
  type TableLayout,
} from '../../../../native-free-lsm/sstable/table-format.ts';
import { assertDamage, emptyFileSystem } from './table-support.ts';

const FILE = '/db/000001.sst';
const DATA = Buffer.from('data blocks');
const PART = Buffer.from('a part');

interface Shape {
  readonly type: number;
  readonly required: boolean;
  readonly offset?: number;
  readonly lengthBytes?: number;
}

/** A file of data, one part and its directory. */
function fileOf(shape: Shape): Buffer {
  const part = { offset: DATA.length, lengthBytes: PART.length, checksum: checksum(PART, 0, 6), ...shape };
  const directory = encodeDirectory([part]);
  const footer = encodeFooter(DATA.length, DATA.length + PART.length, directory);
  return Buffer.concat([DATA, PART, directory, footer]);
}

function layoutOf(bytes: Uint8Array): TableLayout {
  const fs = emptyFileSystem();
  fs.place(FILE, bytes);
  return readTableLayout(fs, fs.openReadSync(FILE), FILE);
}

/** Writes the footer's checksum anew, as a writer of other footers would. */
function resealed(bytes: Buffer): Buffer {
  const footer = bytes.length - FOOTER_BYTES;
  const directory = bytes.subarray(bytes.readUInt32LE(footer + 4), footer);
  bytes.writeUInt32LE(checksum(directory, 0, directory.length), footer + 12);
  bytes.writeUInt32LE(checksum(bytes, footer, footer + 20), footer + 20);
  return bytes;
}

function unsupportedAt(offset: number): (error: LsmError) => boolean {
  return (error) =>
    error instanceof LsmError && error.code === 'UNSUPPORTED_FORMAT' && error.offset === offset;
}

test('the layout of a table comes back', () => {
  const bytes = fileOf({ type: MetaBlockType.index, required: true });
  const layout = layoutOf(bytes);
  const part = { type: 1, required: true, offset: 11, lengthBytes: 6, checksum: checksum(PART, 0, 6) };
  assert.deepEqual(layout, { fileSizeBytes: bytes.length, dataBytes: 11, metaBlocks: [part] });
  assert.deepEqual(requireMetaBlock(layout, MetaBlockType.index, FILE), part);
  assertDamage(() => requireMetaBlock(layout, MetaBlockType.properties, FILE), FILE, bytes.length);
});

test('a part of a type to come is skipped when it may be, and refused when it must not be', () => {
  assert.equal(layoutOf(fileOf({ type: 999, required: false })).metaBlocks[0].type, 999);
  assert.throws(() => layoutOf(fileOf({ type: 999, required: true })), unsupportedAt(17));
  assert.throws(() => layoutOf(fileOf({ type: 0, required: true })), unsupportedAt(17));
});

test('flags to come are refused', () => {
  const bytes = fileOf({ type: MetaBlockType.index, required: true });
  bytes[17 + 2] = 3;
  assert.throws(() => layoutOf(resealed(bytes)), unsupportedAt(17));
});

test('another format version is refused as such, not as damage', () => {
  const bytes = fileOf({ type: MetaBlockType.index, required: true });
  const version = bytes.length - FOOTER_BYTES + 16;
  bytes.writeUInt32LE(TABLE_FORMAT_VERSION + 1, version);
  assert.throws(() => layoutOf(resealed(bytes)), unsupportedAt(version));
});

test('parts that leave gaps or overlap are found even where checksums are right', () => {
  for (const shape of [{ offset: 10 }, { offset: 12 }, { lengthBytes: 5 }, { lengthBytes: 0xffff_ffff }]) {
    const bytes = fileOf({ type: MetaBlockType.index, required: true, ...shape });
    assertDamage(() => layoutOf(bytes), FILE, bytes.length);
  }
});

test('a directory that is not where it should be is found even where checksums are right', () => {
  for (const [at, value] of [
    [4, 16],
    [4, 0xffff_fff0],
    [8, META_ENTRY_BYTES - 1],
    [8, 0],
  ]) {
    const bytes = fileOf({ type: MetaBlockType.index, required: true });
    const footer = bytes.length - FOOTER_BYTES;
    bytes.writeUInt32LE(value, footer + at);
    bytes.writeUInt32LE(checksum(bytes, footer, footer + 20), footer + 20);
    assertDamage(() => layoutOf(bytes), FILE, bytes.length);
  }
});

test('a file too short for a footer, or empty, is damaged', () => {
  for (const length of [0, 1, FOOTER_BYTES - 1, FOOTER_BYTES]) {
    assertDamage(() => layoutOf(new Uint8Array(length)), FILE, length);
  }
});
