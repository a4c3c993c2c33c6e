import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unpackMultiple } from 'msgpackr/unpack';
import { encoder as chunks } from '../../../../../src/http/encoders/chunks.ts';
import { encoder as msgpack } from '../../../../../src/http/encoders/msgpack.ts';
import { encodedPage } from '../../../../support/encoded-page.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(255, 256, 65_535, 65_536, 70_000).map((length) => new Uint8Array(length).fill(length)),
);
const entries = fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 20 });

test('each entry is one HTTP chunk', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const expected = list.map(([key, value]) => {
        const chunk = Buffer.concat([key, Buffer.from('\n'), value]);
        return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
      });
      const page = encodedPage(list, chunks, null);
      assert.ok(Buffer.concat(expected).equals(page.bytes.subarray(0, page.usedBytes)));
    }),
    { numRuns: 50 },
  );
});

test('each entry is a msgpack array of two binaries', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const page = encodedPage(list, msgpack, null);
      const decoded = unpackMultiple(page.bytes.subarray(0, page.usedBytes)) as [Buffer, Buffer][];
      assert.equal(decoded.length, list.length);
      decoded.forEach(([key, value], i) => {
        assert.ok(Buffer.isBuffer(key) && key.equals(list[i][0]));
        assert.ok(Buffer.isBuffer(value) && value.equals(list[i][1]));
      });
    }),
    { numRuns: 50 },
  );
});

test('an entry takes no more than its encoder says, at every length at which it grows', () => {
  for (const encoder of [chunks, msgpack]) {
    const target = new Uint8Array(100);
    for (const keyBytes of [0, 1, 255, 256, 65_535, 65_536]) {
      for (const valueBytes of [0, 14, 15, 255, 256, 65_535, 65_536, 0xfff_ffff, 0x7fff_0000]) {
        const head = encoder.writeHead(target, 0, keyBytes, valueBytes);
        const end = encoder.writeTail(target, encoder.writeMiddle(target, head, valueBytes));
        assert.ok(end <= encoder.overheadBytes, `${keyBytes} and ${valueBytes} bytes: ${end}`);
      }
    }
  }
});
