import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonPrefixBytes, writeSeparator } from '../../../../native-free-lsm/sstable/separator.ts';
import { arbitraryKey } from './table-support.ts';

function separate(below: Uint8Array, above: Uint8Array): Uint8Array {
  const shared = commonPrefixBytes(below, 0, below.length, above, 0, above.length);
  const target = new Uint8Array(below.length + 3);
  const end = writeSeparator(below, below.length, above, 0, above.length, shared, target, 3);
  return target.slice(3, end);
}

test('a separator is at or above one key, under the other, and no longer than the first', () => {
  fc.assert(
    fc.property(arbitraryKey, arbitraryKey, (a, b) => {
      fc.pre(Buffer.compare(a, b) !== 0);
      const [below, above] = Buffer.compare(a, b) < 0 ? [a, b] : [b, a];
      const separator = separate(below, above);
      assert.ok(Buffer.compare(below, separator) <= 0 && Buffer.compare(separator, above) < 0);
      assert.ok(separator.length <= below.length);
    }),
    { numRuns: 1000 },
  );
});

test('a separator is short', () => {
  const text = (below: string, above: string) =>
    Buffer.from(separate(Buffer.from(below), Buffer.from(above))).toString();
  assert.equal(text('key1999', 'key2000'), 'key2');
  assert.equal(text('abcdef', 'abx'), 'abd');
  assert.equal(text('abcdef', 'abxy'), 'abx');
  assert.equal(text('abc', 'abcd'), 'abc');
  assert.equal(text('abcdef', 'abd'), 'abcdef');
  assert.equal(text('', 'a'), '');
});
