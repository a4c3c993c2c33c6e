import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LsmError } from '../../../../native-free-lsm/errors.ts';
import { hashBytes } from '../../../../native-free-lsm/format/hash.ts';
import { fileSystemError } from '../../../../native-free-lsm/simulation/index.ts';
import {
  arbitraryEntries,
  arbitraryKey,
  arbitraryOptions,
  cursorOf,
  drain,
  entryOf,
  lookUp,
  numberedEntries,
  printable,
  tableOf,
} from './table-support.ts';

test('whatever the options, every key is found, no other is, and a walk gives all in either order', () => {
  fc.assert(
    fc.property(
      arbitraryEntries,
      arbitraryOptions,
      fc.array(arbitraryKey, { maxLength: 20 }),
      fc.nat(2000),
      (entries, options, others, readaheadBytes) => {
        const table = tableOf(entries, options);
        const present = new Map(entries.map(({ key, record }) => [Buffer.from(key).toString('hex'), record]));
        for (const key of [...entries.map((entry) => entry.key), ...others]) {
          const expected = present.get(Buffer.from(key).toString('hex'));
          assert.deepEqual(lookUp(table, key), expected && Uint8Array.from(expected));
        }
        const iterator = table.reader.iterator(table.fs, table.fd, readaheadBytes);
        iterator.seekToFirst();
        assert.deepEqual(printable(drain(iterator)), printable(entries));
        const reverse = cursorOf(table, readaheadBytes, true);
        reverse.seekToFirst();
        assert.deepEqual(printable(drain(reverse)), printable(entries.toReversed()));
        for (const key of [...others, ...entries.slice(0, 5).map((entry) => entry.key)]) {
          iterator.seek(key, 0, key.length);
          const rest = entries.filter((entry) => Buffer.compare(entry.key, key) >= 0);
          assert.deepEqual(printable(drain(iterator)), printable(rest));
          reverse.seek(key, 0, key.length);
          const before = entries.filter((entry) => Buffer.compare(entry.key, key) < 0).toReversed();
          assert.deepEqual(printable(drain(reverse)), printable(before));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a key above the last has no block, one below the first has the first', () => {
  const { reader } = tableOf(numberedEntries(50));
  const find = (key: string) => reader.findBlock(Buffer.from(key), 0, key.length);
  assert.equal(find('key000049'), reader.blockCount - 1);
  assert.equal(find('key0000490'), -1);
  assert.equal(find(''), 0);
  assert.ok(reader.blockCount > 5);
});

test('the filter turns absent keys away', () => {
  const { reader } = tableOf(numberedEntries(2000));
  let passed = 0;
  for (let i = 0; i < 2000; i++) {
    const key = Buffer.from(`absent${i}`);
    if (reader.mayContain(hashBytes(key, 0, key.length, reader.hashSeed))) passed++;
  }
  assert.ok(passed < 50, `${passed} of 2000 passed`);
});

test('a block takes one read', () => {
  const { fs, fd, reader } = tableOf(numberedEntries(50));
  const before = fs.callCount;
  reader.readBlock(fs, fd, 3, new Uint8Array(1000), 0);
  assert.equal(fs.callCount - before, 1);
});

test('blocks of all sizes are read through the same buffer', () => {
  const sizes = [10, 100_000, 50, 2_000_000, 70];
  const entries = sizes.map((size, i) => entryOf(`key${i}`, new Uint8Array(size).fill(i)));
  const table = tableOf(entries);
  for (const { key, record } of [...entries, ...entries]) {
    assert.equal(Buffer.compare(lookUp(table, key) ?? new Uint8Array(0), record), 0);
  }
});

test('a read that fails is the error of the engine', () => {
  const { fs, fd, reader } = tableOf(numberedEntries(5));
  fs.onCall = (call) => {
    throw fileSystemError('EIO', 'read', call.path);
  };
  assert.throws(
    () => reader.readBlock(fs, fd, 0, new Uint8Array(1000), 0),
    (error: LsmError) => error instanceof LsmError && error.code === 'IO_ERROR' && !error.canRetry,
  );
});
