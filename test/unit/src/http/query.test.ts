import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EntityQuery, RangeQuery } from '../../../../src/http/query.ts';

const MAX_KEY_BYTES = 4096;

function readEntity(query: string): { query: EntityQuery; fault: ReturnType<EntityQuery['read']> } {
  const reader = new EntityQuery();
  const target = `/v0/entity?${query}`;
  return { query: reader, fault: reader.read(target, '/v0/entity?'.length, MAX_KEY_BYTES) };
}

test('any text comes back as its UTF-8, however much of it is percent-encoded', () => {
  const percent = (byte: number): string => `%${byte.toString(16).padStart(2, '0')}`;
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.boolean(), (key, isAllEncoded) => {
      const bytes = Buffer.from(key.toWellFormed());
      const encoded = isAllEncoded
        ? Array.from(bytes, percent).join('')
        : encodeURIComponent(key.toWellFormed());
      const { query, fault } = readEntity(`id=${encoded}`);
      assert.equal(fault, null);
      assert.ok(bytes.equals(query.key));
    }),
  );
});

test('it reads what URLSearchParams writes, in any order, unknown parameters beside', () => {
  const count = fc.integer({ min: 1, max: 999_999_999 });
  const name = fc.string().filter((text) => !['id', 'ack', 'from'].includes(text));
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.option(count),
      fc.option(count),
      fc.array(fc.tuple(name, text)),
      fc.nat(),
      (id, ack, from, others, shift) => {
        const known: [string, string][] = [['id', id]];
        if (ack !== null) known.push(['ack', String(ack)]);
        if (from !== null) known.push(['from', String(from)]);
        const all = [...known, ...others];
        const first = shift % all.length;
        const pairs = [...all.slice(first), ...all.slice(0, first)];
        const { query, fault } = readEntity(new URLSearchParams(pairs).toString());
        assert.equal(fault, null);
        assert.deepEqual([query.key.toString(), query.ack, query.from], [id, ack ?? 0, from ?? 0]);
      },
    ),
  );
});

test('it takes exactly what a fatal UTF-8 decoder takes', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 12 }), (bytes) => {
      let isUtf8 = true;
      try {
        decoder.decode(bytes);
      } catch {
        isUtf8 = false;
      }
      const { fault } = readEntity(
        `id=${Array.from(bytes, (b) => `%${b.toString(16).padStart(2, '0')}`).join('')}`,
      );
      assert.equal(fault === null, isUtf8);
    }),
  );
});

test('any target at all is a key or a fault, and nothing else', () => {
  const range = new RangeQuery();
  const fragment = fc.constantFrom(
    'id',
    'start',
    'end',
    'ack',
    '=',
    '&',
    '%',
    '%4',
    '%41',
    '+',
    '#',
    '\u00e9',
    '\u20ac',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(fragment, fc.string())), (parts) => {
      const text = parts.join('');
      const { query, fault } = readEntity(text);
      if (fault === null) assert.ok(query.key.length > 0 && query.ack >= 0 && query.from >= 0);
      else assert.ok([400, 413].includes(fault.status) && fault.sentence.endsWith('.'));
      const rangeFault = range.read(text, 0, MAX_KEY_BYTES);
      if (rangeFault !== null) assert.ok([400, 413].includes(rangeFault.status));
    }),
  );
});

test('a reader keeps nothing of the target before', () => {
  const entity = new EntityQuery();
  assert.equal(entity.read('id=a&ack=2&from=3', 0, 10), null);
  assert.equal(entity.read('id=b', 0, 10), null);
  assert.deepEqual([entity.key.toString(), entity.ack, entity.from], ['b', 0, 0]);
  const range = new RangeQuery();
  assert.equal(range.read('start=a&end=b', 0, 10), null);
  assert.equal(range.read('start=', 0, 10), null);
  assert.deepEqual([range.start.length, range.end], [0, null]);
});

test('a range is empty when its end is not above its start', () => {
  const range = new RangeQuery();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (start, end) => {
      assert.equal(range.read(new URLSearchParams({ start, end }).toString(), 0, MAX_KEY_BYTES), null);
      assert.equal(range.isEmpty, Buffer.compare(Buffer.from(end), Buffer.from(start)) <= 0);
    }),
  );
});
