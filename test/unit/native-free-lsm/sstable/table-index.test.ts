import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  indexFault,
  TableIndex,
  TableIndexBuilder,
} from '../../../../native-free-lsm/sstable/table-index.ts';
import { arbitraryKey, sortedUnique } from './table-support.ts';

function indexOf(
  keys: readonly Uint8Array[],
  blockBytes = 100,
  builder = new TableIndexBuilder(),
): SharedArrayBuffer {
  keys.forEach((key, ordinal) => {
    const sizeBytes = builder.sizeBytes + builder.entryBytes(key, key.length);
    const offset = ordinal * (blockBytes + 5);
    builder.addBlock(offset, offset + blockBytes + 5, blockBytes + ordinal, key, key.length);
    assert.equal(builder.sizeBytes, sizeBytes);
  });
  const bytes = builder.finish();
  assert.equal(bytes.length, builder.sizeBytes);
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}

const letters = (text: string) => [...text].map((letter) => Buffer.from(letter));

test('the first block whose key is at or above the wanted one is found', () => {
  fc.assert(
    fc.property(
      fc.array(arbitraryKey, { minLength: 1, maxLength: 60 }),
      fc.array(arbitraryKey, { maxLength: 20 }),
      (drawn, others) => {
        const keys = sortedUnique(drawn);
        const memory = indexOf(keys);
        assert.equal(indexFault(memory, keys.length * 105, 5), undefined);
        const index = new TableIndex(memory, 5);
        for (const key of [...keys, ...others]) {
          const padded = Buffer.concat([Buffer.from('>>'), key, Buffer.from('<')]);
          const expected = keys.findIndex((candidate) => Buffer.compare(candidate, key) >= 0);
          assert.equal(index.find(padded, 2, 2 + key.length), expected);
          for (const [ordinal, ofBlock] of keys.entries()) {
            const isBelow = Buffer.compare(ofBlock, key) < 0;
            assert.equal(index.isBelow(ordinal, padded, 2, 2 + key.length), isBelow);
          }
        }
      },
    ),
  );
});

test('a builder that is used again builds what a new one does, and none serves two tables at once', () => {
  fc.assert(
    fc.property(fc.array(fc.array(arbitraryKey, { minLength: 1, maxLength: 40 })), (tables) => {
      for (const drawn of tables) {
        const keys = sortedUnique(drawn);
        const builders = [TableIndexBuilder.take(), TableIndexBuilder.take()];
        assert.notEqual(builders[0], builders[1]);
        for (const builder of builders) assert.deepEqual(indexOf(keys, 100, builder), indexOf(keys));
        for (const builder of builders) builder.release();
      }
    }),
  );
});

test('it tells where each block lies and how large it is', () => {
  const index = new TableIndex(indexOf(letters('abc')), 5);
  assert.equal(index.blockCount, 3);
  assert.deepEqual(
    [0, 1, 2].map((i) => [index.blockOffset(i), index.diskBytes(i), index.memoryBytes(i)]),
    [
      [0, 100, 100],
      [105, 100, 101],
      [210, 100, 102],
    ],
  );
});

test('an index grows beyond its first room', () => {
  const keys = Array.from({ length: 5000 }, (_, i) => Buffer.from(`a rather long key ${100_000 + i}`));
  const index = new TableIndex(indexOf(keys), 5);
  for (const i of [0, 1023, 1024, 4999]) assert.equal(index.find(keys[i], 0, keys[i].length), i);
});

test('one of several keys that begin alike is stored whole', () => {
  const prefix = 'p'.repeat(4000);
  const alike = Array.from({ length: 1000 }, (_, i) => Buffer.from(`${prefix}${1000 + i}`));
  assert.ok(indexOf(alike).byteLength <= 4000 + 1000 * 20 + 20);
  // Ten groups.
  const mixed = alike.map((_, i) => Buffer.from(`${Math.floor(i / 100)}${prefix}${1000 + i}`));
  assert.ok(indexOf(mixed).byteLength <= 10 * 4008 + 1000 * 20 + 20);
  const index = new TableIndex(indexOf(mixed), 5);
  for (const [i, key] of mixed.entries()) {
    assert.equal(index.find(key, 0, key.length), i);
    const above = Buffer.concat([key, Buffer.from('x')]);
    assert.equal(index.find(above, 0, above.length), i === 999 ? -1 : i + 1);
    assert.ok(index.isBelow(i, above, 0, above.length));
    assert.ok(!index.isBelow(i, key, 0, key.length));
  }
});

test('short keys are in one group, whatever they are', () => {
  const keys = Array.from({ length: 1000 }, (_, i) => Buffer.from(`${Math.imul(i, 4_000_037) >>> 0}`)).sort(
    Buffer.compare,
  );
  assert.equal(new Uint32Array(indexOf(keys), 0, 2)[1], 1);
});

test('an index that cannot be right is named', () => {
  const long = (letter: string) => letter.repeat(100);
  const keys = ['abcd', 'abce', long('b'), `${long('b')}x`].map((text) => Buffer.from(text));
  const changed = (word: number, value: number, dataBytes = 420) => {
    const memory = indexOf(keys);
    new Uint32Array(memory, 0, 22)[word] = value;
    return indexFault(memory, dataBytes, 5) ?? '';
  };
  // Words: 0 blocks, 1 groups; then of each block key, offset, shared, memory; 18 end of the keys, 19 of the blocks;
  // 20 and 21 the groups, which begin with blocks 0 and 2.
  assert.equal(changed(0, 4), '');
  assert.match(changed(0, 4, 421), /421 bytes of them/);
  assert.match(changed(0, 0), /without blocks/);
  assert.match(changed(0, 40), /do not fit/);
  assert.match(changed(0, 0xffff_ffff), /do not fit/);
  assert.match(changed(0, 3), /do not fill/);
  assert.match(changed(1, 0xffff_ffff), /do not fit/);
  assert.match(changed(1, 1), /do not fill/);
  assert.match(changed(2, 87), /do not fill/);
  assert.match(changed(18, 300), /do not fill/);
  assert.match(changed(6, 87), /key of block 0 does not end/);
  assert.match(changed(6, 94), /key of block 1 does not end/);
  assert.match(changed(14, 500), /key of block 3 does not end/);
  assert.match(changed(4, 1), /key of block 0 shares more/);
  assert.match(changed(8, 5), /key of block 1 shares more/);
  assert.match(changed(12, 5), /key of block 2 shares more/);
  assert.match(changed(16, 101), /key of block 3 shares more/);
  assert.match(changed(3, 1), /block 0 does not start/);
  assert.match(changed(7, 3), /block 0 does not end/);
  assert.match(changed(7, 107), /block 0 is larger in the file/);
  assert.match(changed(19, 419), /420 bytes of them/);
  assert.match(changed(20, 1), /first group/);
  assert.match(changed(21, 0), /group 1 does not begin/);
  assert.match(changed(21, 4), /group 1 does not begin/);
  assert.match(indexFault(new SharedArrayBuffer(7), 0, 5) ?? '', /without blocks/);
});
