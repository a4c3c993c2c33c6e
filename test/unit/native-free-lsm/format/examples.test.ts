/** Every example of the engine's FORMAT.md, read with the reader and written again with the writer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecord,
  isTombstone,
  RECORD_HEADER_BYTES,
  recordExpiryMs,
  recordFault,
  recordFrom,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../../../../native-free-lsm/format/record.ts';
import { readVarint, writeVarint } from '../../../../native-free-lsm/format/varint.ts';
import { BatchKind } from '../../../../native-free-lsm/log/log-format.ts';
import { LogWriter } from '../../../../native-free-lsm/log/log-writer.ts';
import {
  batchOperationBytes,
  conditionRecord,
  encodeBatch,
  encodeRange,
  OperationCursor,
  putOperationBytes,
  rangeRecord,
} from '../../../../native-free-lsm/log/write-operation.ts';
import {
  decodeFragments,
  encodeFragments,
} from '../../../../native-free-lsm/range-tombstones/fragment-codec.ts';
import { RangeFragments } from '../../../../native-free-lsm/range-tombstones/fragments.ts';
import { BlockCursor, blockFault } from '../../../../native-free-lsm/sstable/block.ts';
import { BlockBuilder } from '../../../../native-free-lsm/sstable/block-builder.ts';
import {
  BLOCK_TRAILER_BYTES,
  blockCompressor,
  Compression,
  unpackBlock,
  writeBlockTrailer,
} from '../../../../native-free-lsm/sstable/block-codec.ts';
import { readTableMetadata } from '../../../../native-free-lsm/sstable/load-table.ts';
import { commonPrefixBytes } from '../../../../native-free-lsm/sstable/separator.ts';
import {
  prepareCurrent,
  readCurrent,
  switchCurrent,
} from '../../../../native-free-lsm/version/current-file.ts';
import { decodeFrame, encodeFrame, ManifestTag } from '../../../../native-free-lsm/version/edit-codec.ts';
import { Manifest } from '../../../../native-free-lsm/version/manifest.ts';
import { exampleNames, formatExample } from '../../../support/format-example.ts';
import { frames, put, replay, shown } from '../log/log-support.ts';
import { drain, type Entry, emptyFileSystem, lookUp, openTable, tableOf } from '../sstable/table-support.ts';
import { table } from '../version/version-support.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function unpackExample(stored: Uint8Array): Uint8Array {
  const target = new Uint8Array(179);
  unpackBlock(stored, 0, stored.length - BLOCK_TRAILER_BYTES, 179, target, 0, 'example', 0);
  return target;
}

/** The block of the two examples of compressed ones, which is what the bytes unpack to. */
function compressedExample(bytes: Uint8Array): Uint8Array {
  const entries = [entry('key1', 'z'.repeat(64), 1), entry('key2', 'z'.repeat(64), 1)];
  const block = blockOf(entries, 16);
  assert.equal(hex(unpackExample(bytes)), hex(block));
  assert.deepEqual(entriesOf(unpackExample(bytes)).map(shown), entries.map(shown));
  return block;
}

function withTrailer(packed: Uint8Array, compression: Compression): Uint8Array {
  const trailer = new Uint8Array(BLOCK_TRAILER_BYTES);
  writeBlockTrailer(trailer, packed, compression);
  return Buffer.concat([packed, trailer]);
}

function entry(
  key: string,
  value: string,
  timestamp: number,
  more: { tombstone?: boolean; expiryMs?: number } = {},
): Entry {
  const fields = { timestamp, writer: 7, tombstone: false, from: 3, expiryMs: 0, ...more };
  return { key: Buffer.from(key), record: encodeRecord(fields, Buffer.from(value)) };
}

const EXAMPLES: Readonly<Record<string, (bytes: Buffer) => Promise<void> | void>> = {
  'varint-example'(bytes) {
    assert.equal(readVarint(bytes, 0), 300);
    const written = new Uint8Array(2);
    assert.equal(writeVarint(written, 0, 300), 2);
    assert.equal(hex(written), hex(bytes));
    // The same in more bytes.
    assert.equal(readVarint(Uint8Array.of(0xac, 0x82, 0x00), 0), -1);
  },

  'record-example'(bytes) {
    assert.equal(recordFault(bytes, 0, bytes.length), undefined);
    const fields = {
      timestamp: recordTimestamp(bytes, 0),
      writer: recordWriter(bytes, 0),
      tombstone: isTombstone(bytes, 0),
      from: recordFrom(bytes, 0),
      expiryMs: recordExpiryMs(bytes, 0),
    };
    const drawn = {
      timestamp: 2 ** 32 + 5,
      writer: 7,
      tombstone: false,
      from: 3,
      expiryMs: 1_800_000_000_000,
    };
    assert.deepEqual(fields, drawn);
    const value = bytes.subarray(recordValueStart(bytes, 0));
    assert.equal(value.toString(), 'hi');
    assert.equal(hex(encodeRecord(fields, value)), hex(bytes));
  },

  'block-example'(bytes) {
    const entries = entriesOf(bytes);
    const drawn = [
      entry('app', '1', 1),
      entry('apple', '2', 2),
      entry('apricot', 'x', 3),
      entry('bee', '', 4, { tombstone: true }),
    ];
    assert.deepEqual(entries.map(shown), drawn.map(shown));
    assert.equal(hex(blockOf(entries, 2)), hex(bytes));
  },

  'zstd-block-example'(bytes) {
    const block = compressedExample(bytes);
    // The frame is zstd's affair; what is written has to be one, and its trailer as it is drawn.
    const packed = blockCompressor('zstd', 1, 4096)(block);
    assert.ok(packed.length < 60);
    assert.equal(hex(unpackExample(withTrailer(packed, Compression.zstd))), hex(block));
    assert.equal(hex(withTrailer(bytes.subarray(0, -BLOCK_TRAILER_BYTES), Compression.zstd)), hex(bytes));
  },

  'lz4-block-example'(bytes) {
    const packed = blockCompressor('lz4', 1, 4096)(compressedExample(bytes));
    assert.equal(hex(withTrailer(packed, Compression.lz4)), hex(bytes));
  },

  'range-tombstones-example'(bytes) {
    const drawn = new RangeFragments();
    drawn.add(Buffer.from('m'), null, 2 ** 32 + 5);
    drawn.add(Buffer.from('a'), Buffer.from('b'), 1000);
    const read = decodeFragments(Uint8Array.from(bytes).buffer);
    const shownOf = (fragments: RangeFragments) =>
      [...fragments].map(({ start, end, timestamp }) => [hex(start), end && hex(end), timestamp]);
    assert.deepEqual(shownOf(read), shownOf(drawn));
    assert.equal(hex(encodeFragments(drawn)), hex(bytes));
  },

  'table-example'(bytes) {
    const fs = emptyFileSystem();
    fs.place('/db/000001.sst', bytes);
    const read = openTable(fs, readTableMetadata(fs, '/db', 1, 0));
    assert.equal(read.reader.blockCount, 2);
    const iterator = read.reader.iterator(fs, read.fd, 1000);
    iterator.seekToFirst();
    const entries = drain(iterator);
    const drawn = [
      entry('key1', 'one', 1000),
      entry('key2', '', 1001, { tombstone: true }),
      entry('pear', 'ripe', 2 ** 32 + 5, { expiryMs: 1_800_000_000_000 }),
    ];
    assert.deepEqual(entries.map(shown), drawn.map(shown));
    for (const { key, record } of drawn) assert.deepEqual(lookUp(read, key), Uint8Array.from(record));
    const written = tableOf(entries, { blockSizeBytes: 80, restartInterval: 16, bloomBitsPerKey: 10 });
    assert.equal(hex(written.fs.contents('/db/000001.sst')), hex(bytes));
    assert.deepEqual({ ...read.metadata, level: 1 }, written.metadata);
  },

  'batch-example'(bytes) {
    const kept = entry('key1', 'a', 1000);
    const dropped = entry('key2', '', 1001, { tombstone: true });
    const cursor = new OperationCursor();
    cursor.reset(bytes, 0, bytes.length);
    assert.ok(cursor.next());
    assert.equal(hex(bytes.subarray(cursor.keyStart, cursor.keyEnd)), hex(kept.key));
    assert.equal(hex(bytes.subarray(cursor.recordStart, cursor.recordEnd)), hex(kept.record));
    assert.equal(cursor.next(), false);
    const written = new Uint8Array(batchOperationBytes([kept, dropped]));
    encodeBatch(written, 0, [kept, dropped]);
    cursor.reset(written, 0, written.length);
    assert.ok(cursor.next() && cursor.next());
    cursor.drop();
    assert.equal(hex(written), hex(bytes));
  },

  'range-example'(bytes) {
    const cursor = new OperationCursor();
    cursor.reset(bytes, 0, bytes.length);
    assert.ok(cursor.next() && cursor.isRange);
    assert.equal(bytes.toString('latin1', cursor.keyStart, cursor.keyEnd), 'a');
    assert.equal(bytes.toString('latin1', cursor.rangeEndStart, cursor.recordEnd), 'b');
    assert.equal(recordTimestamp(bytes, cursor.recordStart), 1000);
    assert.equal(cursor.next(), false);
    const record = rangeRecord(1000, Buffer.from('b'));
    const written = new Uint8Array(putOperationBytes(1, record.length));
    encodeRange(written, 0, Buffer.from('a'), record);
    assert.equal(hex(written), hex(bytes));
  },

  'condition-example'(bytes) {
    const drawn = entry('key1', 'a', 1000);
    const conditions = [{ key: Buffer.from('key1'), record: conditionRecord(0, 1_800_000_000_000) }];
    const cursor = new OperationCursor();
    cursor.reset(bytes, 0, bytes.length);
    assert.ok(cursor.nextCondition());
    assert.deepEqual([cursor.conditionTimestamp, cursor.conditionNowMs], [0, 1_800_000_000_000]);
    assert.equal(hex(bytes.subarray(cursor.keyStart, cursor.keyEnd)), hex(drawn.key));
    assert.ok(!cursor.nextCondition() && cursor.next());
    assert.equal(hex(bytes.subarray(cursor.recordStart, cursor.recordEnd)), hex(drawn.record));
    assert.equal(cursor.next(), false);
    const written = new Uint8Array(batchOperationBytes([drawn], conditions));
    encodeBatch(written, 0, [drawn], conditions);
    assert.equal(hex(written), hex(bytes));
  },

  'log-example'(bytes) {
    const drawn = put('key1', 'v', 4096);
    const fs = emptyFileSystem();
    fs.place('/db/000007.log', bytes);
    const whole = { batches: 1, lengthBytes: bytes.length, tornBytes: 0, clean: true, continued: false };
    assert.deepEqual(replay(fs), { ...whole, puts: [shown(drawn)] });
    fs.removeSync('/db/000007.log');
    const log = LogWriter.create(fs, '/db', 7);
    const run = frames([drawn]);
    log.append(run, 0, run.length);
    log.finish(BatchKind.cleanClose);
    assert.equal(hex(fs.contents('/db/000007.log')), hex(bytes));
  },

  async 'manifest-example'(bytes) {
    const timestamps = { smallestTimestamp: 2 ** 40, largestTimestamp: 2 ** 40 };
    const added = [table(1, 0, 'a', 'b', timestamps)];
    const fs = emptyFileSystem();
    fs.place('/db/MANIFEST-000001', bytes);
    fs.place('/db/CURRENT', formatExample('current-example'));
    const state = Manifest.recover(fs, '/db');
    assert.ok(state !== undefined);
    assert.deepEqual(state.version.levels[0], added);
    assert.deepEqual([state.oldestGeneration, state.nextFileId, state.tornBytes], [2, 2, 0]);
    // The edit's frame by itself: 32 bytes into the batch at 40.
    const edit = decodeFrame(bytes, 0x60, 0x90, ManifestTag.edit);
    assert.equal(hex(encodeFrame(edit, ManifestTag.edit)), hex(bytes.subarray(0x60, 0x90)));
    const empty = {
      version: state.version.apply({ added: [], removed: [1] }),
      oldestGeneration: 1,
      nextFileId: 1,
      begunGeneration: 0,
    };
    const other = emptyFileSystem();
    const manifest = Manifest.create(other, '/db', empty);
    await manifest.append(edit);
    await manifest.close();
    assert.equal(hex(other.contents('/db/MANIFEST-000001')), hex(bytes));
  },

  'current-example'(bytes) {
    const fs = emptyFileSystem();
    fs.place('/db/CURRENT', bytes);
    assert.equal(readCurrent(fs, '/db'), 1);
    fs.removeSync('/db/CURRENT');
    prepareCurrent(fs, '/db', 1);
    switchCurrent(fs, '/db');
    assert.equal(hex(fs.contents('/db/CURRENT')), hex(bytes));
  },
};

test('every example of FORMAT.md is one that is tested', () => {
  assert.deepEqual(exampleNames(), Object.keys(EXAMPLES));
});

for (const [name, check] of Object.entries(EXAMPLES)) {
  test(`the ${name} is read and written as it is drawn`, () => check(formatExample(name)));
}

function entriesOf(block: Uint8Array): Entry[] {
  assert.equal(blockFault(block, 0, block.length), undefined);
  const cursor = new BlockCursor();
  cursor.reset(block, 0, block.length);
  const entries: Entry[] = [];
  for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
    const key = cursor.keyBytes.slice(0, cursor.keyEnd);
    assert.ok(cursor.recordEnd - cursor.recordStart >= RECORD_HEADER_BYTES);
    entries.push({ key, record: block.slice(cursor.recordStart, cursor.recordEnd) });
  }
  assert.equal(cursor.fault, undefined);
  return entries;
}

function blockOf(entries: readonly Entry[], restartInterval: number): Uint8Array {
  const builder = new BlockBuilder(restartInterval, 4096);
  let previous: Uint8Array = new Uint8Array(0);
  for (const { key, record } of entries) {
    const shared = commonPrefixBytes(previous, 0, previous.length, key, 0, key.length);
    builder.add(shared, key, 0, key.length, record, 0, record.length);
    previous = key;
  }
  return builder.bytes.slice(0, builder.finish());
}
