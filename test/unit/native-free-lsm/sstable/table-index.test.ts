import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  indexFault,
  TableIndex,
  TableIndexBuilder,
} from '../../../../native-free-lsm/sstable/table-index.ts';
import { arbitraryKey, sortedUnique } from './table-support.ts';

function indexOf(keys: readonly Uint8Array[], blockBytes = 100): SharedArrayBuffer {
  const builder = new TableIndexBuilder();
  keys.forEach((key, ordinal) => {
    builder.addBlock(ordinal * (blockBytes + 5), blockBytes, blockBytes + ordinal);
    builder.reserveKey(key.length).set(key, builder.keyStart);
    builder.endKey(builder.keyStart + key.length);
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
        const index = new TableIndex(memory);
        for (const key of [...keys, ...others]) {
          const padded = Buffer.concat([Buffer.from('>>'), key, Buffer.from('<')]);
          const expected = keys.findIndex((candidate) => Buffer.compare(candidate, key) >= 0);
          assert.equal(index.find(padded, 2, 2 + key.length), expected);
        }
      },
    ),
  );
});

test('it tells where each block lies and how large it is', () => {
  const index = new TableIndex(indexOf(letters('abc')));
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
  const index = new TableIndex(indexOf(keys));
  for (const i of [0, 1023, 1024, 4999]) assert.equal(index.find(keys[i], 0, keys[i].length), i);
});

test('an index that cannot be right is named', () => {
  const changed = (word: number, value: number, dataBytes = 315) => {
    const memory = indexOf(letters('abc'));
    new Uint32Array(memory, 0, 14)[word] = value;
    return indexFault(memory, dataBytes, 5) ?? '';
  };
  assert.equal(changed(0, 3), '');
  assert.match(changed(0, 3, 316), /316 bytes of them/);
  assert.match(changed(0, 0), /without blocks/);
  assert.match(changed(0, 4), /do not fit/);
  assert.match(changed(0, 0xffff_ffff), /do not fit/);
  assert.match(changed(0, 2), /do not fill|bytes of them/);
  assert.match(changed(1, 57), /do not fill/);
  assert.match(changed(5, 55), /key of block 1/);
  assert.match(changed(9, 500), /does not fit/);
  assert.match(changed(13, 58), /do not fill/);
  assert.match(changed(6, 106), /block 1 does not start/);
  assert.match(changed(7, 102), /larger in the file/);
  assert.match(indexFault(new SharedArrayBuffer(3), 0, 5) ?? '', /without blocks/);
});
