import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BlockCursor, blockFault, searchBlock } from '../../../../native-free-lsm/sstable/block.ts';
import { BlockBuilder } from '../../../../native-free-lsm/sstable/block-builder.ts';
import { ReverseBlockCursor } from '../../../../native-free-lsm/sstable/reverse-block-cursor.ts';
import { commonPrefixBytes } from '../../../../native-free-lsm/sstable/separator.ts';
import { arbitraryEntries, arbitraryKey, type Entry, entryOf, printable } from './table-support.ts';

function blockOf(entries: readonly Entry[], restartInterval = 4): Uint8Array {
  const builder = new BlockBuilder(restartInterval, 64);
  fill(builder, entries);
  return builder.bytes.slice(0, builder.finish());
}

function fill(builder: BlockBuilder, entries: readonly Entry[]): void {
  let previous = new Uint8Array(0);
  for (const { key, record } of entries) {
    const shared = commonPrefixBytes(previous, 0, previous.length, key, 0, key.length);
    const expected = builder.sizeWithBytes(shared, key.length, record.length);
    builder.add(shared, key, 0, key.length, record, 0, record.length);
    assert.equal(builder.sizeBytes, expected);
    previous = Uint8Array.from(key);
  }
}

function search(block: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  const hit = { recordStart: -1, recordEnd: -1 };
  if (!searchBlock(block, 0, block.length, key, 0, key.length, hit)) return undefined;
  return block.slice(hit.recordStart, hit.recordEnd);
}

function walk(cursor: BlockCursor | ReverseBlockCursor): Entry[] {
  const entries: Entry[] = [];
  for (; cursor.valid; cursor.next()) {
    const record = cursor.recordBytes.slice(cursor.recordStart, cursor.recordEnd);
    entries.push({ key: cursor.keyBytes.slice(0, cursor.keyEnd), record });
  }
  assert.equal(cursor.fault, undefined);
  return entries;
}

test('a block is laid out as its format says', () => {
  const entry = (key: string) => ({ key: Buffer.from(key), record: Buffer.from('R') });
  const block = blockOf([entry('ab'), entry('abc'), entry('b')], 2);
  const drawn = `00 02 01 ${hex('abR')}  02 01 01 ${hex('cR')}  00 01 01 ${hex('bR')}
    00000000 0b000000 02000000`;
  assert.equal(Buffer.from(block).toString('hex'), drawn.replace(/\s/g, ''));
});

test('at a restart point a key leaves out what it has in common with the first one', () => {
  const entry = (key: string) => ({ key: Buffer.from(key), record: Buffer.from('R') });
  const block = blockOf([entry('abcd'), entry('abce'), entry('abd'), entry('abde')], 2);
  const drawn = `00 04 01 ${hex('abcdR')}  03 01 01 ${hex('eR')}  02 01 01 ${hex('dR')}  03 01 01 ${hex('eR')}
    00000000 0d000000 02000000`;
  assert.equal(Buffer.from(block).toString('hex'), drawn.replace(/\s/g, ''));
});

test('however long keys are that begin alike, one of them stands whole', () => {
  const prefix = 'p'.repeat(4080);
  const entries = Array.from({ length: 200 }, (_, i) => entryOf(`${prefix}${1000 + i}`, 'v'));
  const block = blockOf(entries, 16);
  const entryBytes = 3 + 2 + 4 + 17;
  assert.ok(block.length <= prefix.length + 200 * entryBytes + 14 * 4, `${block.length} bytes`);
  for (const { key, record } of entries) assert.deepEqual(search(block, key), Uint8Array.from(record));
  const beside = [
    `${prefix}`,
    `${prefix}1`,
    `${prefix}1000x`,
    `${prefix}9`,
    'p',
    'o',
    'q',
    `${prefix.slice(1)}1000`,
  ];
  for (const key of beside) assert.equal(search(block, Buffer.from(key)), undefined);
});

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

test('what was added is found, anything else is not', () => {
  fc.assert(
    fc.property(
      arbitraryEntries,
      fc.array(arbitraryKey, { maxLength: 20 }),
      fc.integer({ min: 1, max: 20 }),
      (entries, others, restartInterval) => {
        const block = blockOf(entries, restartInterval);
        assert.equal(blockFault(block, 0, block.length), undefined);
        const present = new Map(entries.map(({ key, record }) => [Buffer.from(key).toString('hex'), record]));
        for (const key of [...entries.map((entry) => entry.key), ...others]) {
          const expected = present.get(Buffer.from(key).toString('hex'));
          assert.deepEqual(search(block, key), expected && Uint8Array.from(expected));
        }
      },
    ),
  );
});

test('neighbours of every key, just below, just above, longer and shorter, are not found', () => {
  const block = blockOf(
    ['b', 'bab', 'bb', 'bbb', 'd'].map((key) => entryOf(key)),
    16,
  );
  for (const key of ['', 'a', 'ba', 'baa', 'baba', 'bac', 'bba', 'bbba', 'bbc', 'bc', 'c', 'da', 'e']) {
    assert.equal(search(block, Buffer.from(key)), undefined, key);
  }
});

test('the scan ends where keys have left the wanted one behind', () => {
  // "bbc" has as many bytes in common with "bba" as "abc" has with "ab".
  const block = blockOf(
    ['ab', 'bba', 'bbc'].map((key) => entryOf(key)),
    16,
  );
  assert.equal(search(block, Buffer.from('abc')), undefined);
});

test('a search looks at its range of the bytes only', () => {
  const block = blockOf([entryOf('a', '1'), entryOf('b', '2')]);
  const cache = new Uint8Array(new SharedArrayBuffer(block.length + 50)).fill(0xff);
  cache.set(block, 20);
  const key = Buffer.from('..b..');
  const hit = { recordStart: 0, recordEnd: 0 };
  assert.ok(searchBlock(cache, 20, 20 + block.length, key, 2, 3, hit));
  assert.deepEqual(Buffer.from(cache.slice(hit.recordStart, hit.recordEnd)), entryOf('b', '2').record);
});

test('lengths above one varint byte are read', () => {
  const prefix = 'p'.repeat(300);
  const entries = [`${prefix}${'a'.repeat(200)}`, `${prefix}${'b'.repeat(20_000)}`, `${prefix}c`].map((key) =>
    entryOf(key, new Uint8Array(70_000).fill(key.length)),
  );
  const block = blockOf(entries, 16);
  for (const { key, record } of entries) assert.deepEqual(search(block, key), Uint8Array.from(record));
  const cursor = new BlockCursor();
  cursor.reset(block, 0, block.length);
  cursor.seekToFirst();
  assert.deepEqual(printable(walk(cursor)), printable(entries));
});

test('a cursor walks all entries, and from the lower bound of any key', () => {
  fc.assert(
    fc.property(arbitraryEntries, arbitraryKey, fc.integer({ min: 1, max: 20 }), (entries, key, interval) => {
      const block = blockOf(entries, interval);
      const cursor = new BlockCursor();
      cursor.reset(block, 0, block.length);
      assert.equal(cursor.valid, false);
      cursor.seekToFirst();
      assert.deepEqual(printable(walk(cursor)), printable(entries));
      cursor.seek(key, 0, key.length);
      const rest = entries.filter((entry) => Buffer.compare(entry.key, key) >= 0);
      assert.deepEqual(printable(walk(cursor)), printable(rest));
    }),
  );
});

test('a reverse cursor walks all entries from the last, and from the last below any key', () => {
  fc.assert(
    fc.property(
      arbitraryEntries,
      fc.array(arbitraryKey, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      (entries, others, interval) => {
        const block = blockOf(entries, interval);
        // Elsewhere in a larger piece of memory, as in a cache.
        const memory = new Uint8Array(block.length + 30).fill(0xee);
        memory.set(block, 20);
        const cursor = new ReverseBlockCursor();
        for (let round = 0; round < 2; round++) {
          cursor.reset(memory, 20, 20 + block.length);
          assert.equal(cursor.valid, false);
          cursor.seekToFirst();
          assert.deepEqual(printable(walk(cursor)), printable(entries.toReversed()));
        }
        for (const key of [...others, ...entries.map((entry) => entry.key)]) {
          const padded = Buffer.concat([Buffer.from('>'), key, Buffer.from('<')]);
          cursor.seek(padded, 1, 1 + key.length);
          const before = entries.filter((entry) => Buffer.compare(entry.key, key) < 0);
          assert.deepEqual(printable(walk(cursor)), printable(before.toReversed()));
        }
      },
    ),
  );
});

test('a reverse cursor reads lengths above one varint byte, and more entries than it had room for', () => {
  const prefix = 'p'.repeat(300);
  const long = [`${prefix}${'a'.repeat(200)}`, `${prefix}${'b'.repeat(20_000)}`, `${prefix}c`].map((key) =>
    entryOf(key, new Uint8Array(70_000).fill(key.length)),
  );
  const many = Array.from({ length: 1000 }, (_, i) => entryOf(`key${10_000 + i}`));
  for (const [entries, interval] of [
    [long, 16],
    [many, 1000],
    [many, 300],
  ] as const) {
    const cursor = new ReverseBlockCursor();
    const block = blockOf(entries, interval);
    cursor.reset(block, 0, block.length);
    cursor.seekToFirst();
    assert.deepEqual(printable(walk(cursor)), printable(entries.toReversed()));
  }
});

test('a builder starts over after a reset', () => {
  const builder = new BlockBuilder(2, 64);
  fill(builder, [entryOf('a'), entryOf('ab'), entryOf('abc')]);
  builder.finish();
  builder.reset();
  assert.equal(builder.entries, 0);
  const entries = [entryOf('x'), entryOf('xy')];
  fill(builder, entries);
  assert.deepEqual(builder.bytes.slice(0, builder.finish()), blockOf(entries, 2));
});

test('a frame that cannot be right is named', () => {
  const frame = (restarts: number, lengthBytes: number) => {
    const bytes = Buffer.alloc(lengthBytes);
    bytes.writeUInt32LE(restarts, lengthBytes - 4);
    return blockFault(bytes, 0, lengthBytes);
  };
  assert.match(blockFault(new Uint8Array(7), 0, 7) ?? '', /no restart points/);
  assert.match(frame(0, 40) ?? '', /without restart points/);
  assert.match(frame(10, 40) ?? '', /do not fit/);
  assert.match(frame(0xffff_ffff, 40) ?? '', /do not fit/);
  assert.equal(frame(9, 40), undefined);
});

test('a cursor over any bytes stops with a fault or at the end, and leaves nothing of its block', () => {
  const drawn = fc.tuple(arbitraryEntries, fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { maxLength: 5 }));
  fc.assert(
    fc.property(drawn, ([entries, changes]) => {
      const block = blockOf(entries);
      for (const [at, byte] of changes) block[at % block.length] = byte;
      if (blockFault(block, 0, block.length) !== undefined) return;
      const cursor = new BlockCursor();
      cursor.reset(block, 0, block.length);
      cursor.seekToFirst();
      let steps = 0;
      for (; cursor.valid; cursor.next()) {
        assert.ok(++steps <= block.length && cursor.recordEnd <= block.length);
      }
      const reverse = new ReverseBlockCursor();
      reverse.reset(block, 0, block.length);
      reverse.seekToFirst();
      // Restart points that are damaged may name a stretch more than once, but each stretch ends.
      const most = block.length * block.length;
      for (steps = 0; reverse.valid; reverse.next()) {
        assert.ok(++steps <= most && reverse.recordEnd <= block.length);
      }
      for (const { key } of entries.slice(0, 3)) reverse.seek(key, 0, key.length);
    }),
  );
});

test('a cursor names an entry that does not fit and stands nowhere', () => {
  const block = blockOf([entryOf('a', 'x'), entryOf('ab', 'y')]);
  const second = 3 + 1 + 17;
  assert.equal(block[second], 1);
  for (const [at, byte] of [
    [second, 2],
    [second + 1, 200],
    [second + 2, 100],
  ]) {
    const damaged = Uint8Array.from(block);
    damaged[at] = byte;
    const cursor = new BlockCursor();
    cursor.reset(damaged, 0, damaged.length);
    cursor.seekToFirst();
    cursor.next();
    assert.equal(cursor.valid, false);
    assert.match(cursor.fault ?? '', /entry 21 bytes into the block does not fit/);
    const reverse = new ReverseBlockCursor();
    reverse.reset(damaged, 0, damaged.length);
    reverse.seekToFirst();
    assert.equal(reverse.valid, false);
    assert.match(reverse.fault ?? '', /entry 21 bytes into the block does not fit/);
  }
});

test('a cursor says what a key has in common with the one before, in its block and in the next one', () => {
  fc.assert(
    fc.property(
      arbitraryEntries,
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 6 }),
      (entries, n, interval) => {
        const cursor = new BlockCursor();
        let previous = new Uint8Array(0);
        for (let first = 0; first < entries.length; first += n) {
          const block = blockOf(entries.slice(first, first + n), interval);
          cursor.reset(block, 0, block.length);
          for (cursor.seekToFirst(); cursor.valid; cursor.next()) {
            const key = cursor.keyBytes.slice(0, cursor.keyEnd);
            assert.equal(
              cursor.sharedBytes,
              commonPrefixBytes(previous, 0, previous.length, key, 0, key.length),
            );
            previous = key;
          }
        }
      },
    ),
  );
});
