import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  highWord,
  joinWords,
  readUint32,
  readUint53,
  writeUint32,
  writeUint53,
} from '../../../../native-free-lsm/format/integers.ts';

test('integers lie little-endian, the low word first', () => {
  const bytes = new Uint8Array(14).fill(0xee);
  writeUint32(bytes, 1, 0x0102_0304);
  writeUint53(bytes, 5, 0x1f_0203_0405_0607);
  assert.equal(Buffer.from(bytes).toString('hex'), `ee${'04030201'}${'0706050403021f00'}ee`);
});

test('whole numbers of 32 and 53 bits come back', () => {
  const edges = fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER);
  fc.assert(
    fc.property(fc.oneof(fc.maxSafeNat(), edges), fc.nat(3), (value, at) => {
      const bytes = new Uint8Array(at + 8);
      writeUint53(bytes, at, value);
      assert.equal(readUint53(bytes, at), value);
      assert.equal(readUint32(bytes, at), value % 2 ** 32);
      assert.equal(joinWords(value >>> 0, highWord(value)), value);
    }),
  );
});
