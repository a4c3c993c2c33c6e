import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyCollector } from '../../../../src/http/body.ts';

const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }).map((bytes) => Buffer.from(bytes)));

test('a body is what its pieces make, its length declared or not', () => {
  fc.assert(
    fc.property(pieces, fc.boolean(), (parts, isDeclared) => {
      const whole = Buffer.concat(parts);
      const body = new BodyCollector(isDeclared ? whole.length : -1, whole.length);
      for (const part of parts) {
        assert.ok(body.add(part));
        assert.ok(body.heldBytes <= Math.max(whole.length, part.length));
      }
      assert.ok(body.bytes().equals(whole));
    }),
  );
});

test('a body that goes beyond the limit is refused at the piece that does it', () => {
  fc.assert(
    fc.property(pieces, fc.nat(20_000), (parts, limit) => {
      const body = new BodyCollector(-1, limit);
      let length = 0;
      for (const part of parts) {
        length += part.length;
        const isTaken = body.add(part);
        assert.equal(isTaken, length <= limit);
        assert.ok(body.heldBytes <= limit);
        if (!isTaken) break;
      }
    }),
  );
});

test('a single piece is kept without a copy, and a declared length is allocated once', () => {
  const piece = Buffer.from('value');
  const whole = new BodyCollector(5, 100);
  whole.add(piece);
  assert.equal(whole.bytes(), piece);
  const chunked = new BodyCollector(-1, 100);
  chunked.add(piece);
  assert.equal(chunked.bytes(), piece);

  const split = new BodyCollector(1_000_000, 1_000_000);
  split.add(piece);
  const { buffer } = split.bytes();
  for (let i = 1; i < 200_000; i++) split.add(piece);
  assert.equal(split.bytes().length, 1_000_000);
  assert.equal(split.bytes().buffer, buffer);
});
