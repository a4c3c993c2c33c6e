import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unpackMultiple } from 'msgpackr/unpack';
import { chunkFraming, type EntryFraming, msgpackFraming } from '../../../../src/http/entry-framing.ts';
import { FakePage } from '../../../support/fake-page.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(255, 256, 65_535, 65_536, 70_000).map((length) => new Uint8Array(length).fill(length)),
);
const entries = fc.array(fc.tuple(bytes, bytes), { minLength: 1, maxLength: 20 });

/** All entries behind one another; none may take more room than it said. */
function frame(framing: EntryFraming, list: readonly [Uint8Array, Uint8Array][]): Buffer {
  const page = new FakePage(list, true);
  const target = Buffer.alloc(page.bytes.length + page.entries * framing.overheadBytes);
  let at = 0;
  while (page.next()) {
    const most = page.keyEnd - page.keyStart + page.valueEnd - page.valueStart + framing.overheadBytes;
    const end = framing.writeEntry(target, at, page);
    assert.ok(end - at <= most);
    at = end;
  }
  return Buffer.concat([target.subarray(0, at), framing.end]);
}

test('each entry is one HTTP chunk', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const expected = list.map(([key, value]) => {
        const chunk = Buffer.concat([key, Buffer.from('\n'), value]);
        return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
      });
      assert.ok(frame(chunkFraming, list).equals(Buffer.concat([...expected, Buffer.from('0\r\n\r\n')])));
    }),
    { numRuns: 50 },
  );
});

test('each entry is a msgpack array of two binaries', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const decoded = unpackMultiple(frame(msgpackFraming, list)) as [Buffer, Buffer][];
      assert.equal(decoded.length, list.length);
      decoded.forEach(([key, value], i) => {
        assert.ok(Buffer.isBuffer(key) && key.equals(list[i][0]));
        assert.ok(Buffer.isBuffer(value) && value.equals(list[i][1]));
      });
    }),
    { numRuns: 50 },
  );
});
