import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeHintPage,
  emptyPageBytes,
  encodeHintPage,
  hintBytes,
  pageName,
  parsePageName,
} from '../../../../../src/replica/hints/hint-page.ts';

const keys = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 });

function encoded(createdMs: number, of: readonly Uint8Array[]): Uint8Array {
  return encodeHintPage(
    createdMs,
    of,
    of.reduce((bytes, key) => bytes + hintBytes(key), emptyPageBytes()),
  );
}

test('a page has the keys that were put into it, and when', () => {
  fc.assert(
    fc.property(keys, fc.nat(), (of, createdMs) => {
      const page = decodeHintPage(encoded(createdMs, of));
      assert.equal(page?.createdMs, createdMs);
      assert.deepEqual(
        page.keys.map((key) => Buffer.from(key)),
        of.map((key) => Buffer.from(key)),
      );
    }),
  );
});

test('what is no page of this format is none, whatever its bytes', () => {
  const page = encoded(1, [Buffer.from('k1'), Buffer.from('k2')]);
  for (let length = 0; length < page.length; length++) {
    const cut = decodeHintPage(page.subarray(0, length));
    // A page that ends behind a key is a shorter page.
    if (cut !== null) assert.ok([9, 13].includes(length), `${length} bytes`);
  }
  const later = Uint8Array.from(page);
  later[0]++;
  assert.equal(decodeHintPage(later), null);
  const withoutTime = Uint8Array.from(page).fill(0xff, 1, 9);
  assert.equal(decodeHintPage(withoutTime), null);
  fc.assert(fc.property(fc.uint8Array(), (bytes) => void decodeHintPage(bytes)));
});

test('names are in the order of node and number', () => {
  const ids = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
  fc.assert(
    fc.property(ids, fc.nat(), fc.nat(), (id, a, b) => {
      const [first, second] = [pageName(id, a), pageName(id, b)];
      assert.equal(Math.sign(Buffer.compare(first, second)), Math.sign(a - b));
      assert.deepEqual(parsePageName(first), { nodeId: id, number: a });
    }),
  );
  const largest = 2 ** 48 - 1;
  assert.deepEqual(parsePageName(pageName('n', largest)), { nodeId: 'n', number: largest });
  for (const name of ['', 'n', '1234567', `n${'\x01'.repeat(7)}`])
    assert.equal(parsePageName(Buffer.from(name)), null);
});
