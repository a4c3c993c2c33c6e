import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeRecord } from '../../../../native-free-lsm/format/record.ts';
import { readTableMetadata } from '../../../../native-free-lsm/sstable/load-table.ts';
import { type Entry, emptyFileSystem, lookUp, openTable, tableOf } from './table-support.ts';

const FORMAT = readFileSync(new URL('../../../../native-free-lsm/FORMAT.md', import.meta.url), 'utf8');

/** The bytes of a fenced example: lines of an offset, up to 16 bytes and what they mean. */
function exampleBytes(name: string): Buffer {
  const fence = new RegExp(`^\`\`\`${name}\\n(.*?)^\`\`\`$`, 'ms').exec(FORMAT);
  assert.ok(fence, `FORMAT.md has no ${name}`);
  const parts: Buffer[] = [];
  let offset = 0;
  for (const line of fence[1].trimEnd().split('\n')) {
    const fields = /^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} ?){1,16}) +\S/.exec(line);
    assert.ok(fields, `not a line of an example: ${line}`);
    assert.equal(Number.parseInt(fields[1], 16), offset, line);
    const bytes = Buffer.from(fields[2].replaceAll(' ', ''), 'hex');
    parts.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat(parts);
}

function entry(
  key: string,
  value: string,
  timestamp: number,
  more: { tombstone?: boolean; expiryMs?: number },
): Entry {
  const fields = { timestamp, writer: 7, tombstone: false, from: 3, expiryMs: 0, ...more };
  return { key: Buffer.from(key), record: encodeRecord(fields, Buffer.from(value)) };
}

const ENTRIES = [
  entry('key1', 'one', 1000, {}),
  entry('key2', '', 1001, { tombstone: true }),
  entry('pear', 'ripe', 2 ** 32 + 5, { expiryMs: 1_800_000_000_000 }),
];

test('the record drawn in FORMAT.md is the one that is written', () => {
  const { record } = entry('', 'hi', 2 ** 32 + 5, { expiryMs: 1_800_000_000_000 });
  assert.equal(Buffer.from(record).toString('hex'), exampleBytes('record-example').toString('hex'));
});

test('the table drawn in FORMAT.md is the one that is written', () => {
  const { fs } = tableOf(ENTRIES, { blockSizeBytes: 80, restartInterval: 16, bloomBitsPerKey: 10 });
  const written = Buffer.from(fs.contents('/db/000001.sst'));
  assert.equal(written.toString('hex'), exampleBytes('table-example').toString('hex'));
});

test('the table drawn in FORMAT.md is read', () => {
  const fs = emptyFileSystem();
  fs.place('/db/000001.sst', exampleBytes('table-example'));
  const table = openTable(fs, readTableMetadata(fs, '/db', 1, 0));
  assert.equal(table.reader.blockCount, 2);
  for (const { key, record } of ENTRIES) assert.deepEqual(lookUp(table, key), Uint8Array.from(record));
});
