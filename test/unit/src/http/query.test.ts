import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EntityMethod } from '../../../../src/admission/entity-request.ts';
import { EntityQuery } from '../../../../src/http/entity-query.ts';
import { RangeQuery } from '../../../../src/http/query.ts';
import { Consistency, DEFAULT_REQUEST, type RequestOptions } from '../../../../src/request-options.ts';

const MAX_KEY_BYTES = 4096;
const KNOWN = ['id', 'ack', 'from', 'consistency', 'repair', 'ttl', 'explain'];

function readEntity(
  query: string,
  method: EntityMethod = 'GET',
): { query: EntityQuery; fault: ReturnType<EntityQuery['read']> } {
  const reader = new EntityQuery();
  const target = `/v0/entity?${query}`;
  return { query: reader, fault: reader.read(method, target, '/v0/entity?'.length, MAX_KEY_BYTES) };
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

test('it reads what URLSearchParams writes, in any order, and refuses what stands beside it', () => {
  const count = fc.integer({ min: 1, max: 999_999_999 });
  const name = fc.string().filter((text) => !KNOWN.includes(text));
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
        if (others.length > 0) {
          assert.match(fault?.sentence ?? '', /^There is no query parameter ".*" here: there are id, ack, /s);
          return;
        }
        assert.equal(fault, null);
        assert.deepEqual(
          [query.key.toString(), query.options.ack, query.options.from],
          [id, ack ?? 0, from ?? 0],
        );
      },
    ),
  );
});

test('a name that is not known is repeated as it was sent, also where it is not ASCII', () => {
  for (const name of ['größe', '%C3%A4', '', 'x'.repeat(40)]) {
    const sent = Buffer.from(`id=k&${name}=1`).toString('latin1');
    assert.ok(readEntity(sent).fault?.sentence.includes(`"${name}"`), name);
  }
  assert.match(readEntity(`id=k&${'x'.repeat(41)}`).fault?.sentence ?? '', /"x{40}…"/);
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
    'ttl',
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
      if (fault === null)
        assert.ok(query.key.length > 0 && query.options.ack >= 0 && query.options.from >= 0);
      else assert.ok([400, 413].includes(fault.status) && fault.sentence.endsWith('.'));
      const rangeFault = range.read(text, 0, MAX_KEY_BYTES);
      if (rangeFault !== null) assert.ok([400, 413].includes(rangeFault.status));
    }),
  );
});

test('a reader keeps nothing of the target before', () => {
  const entity = new EntityQuery();
  assert.equal(entity.read('PUT', 'id=a&ack=2&from=3&ttl=5&consistency=linearizable', 0, 10), null);
  assert.equal(entity.read('GET', 'id=b', 0, 10), null);
  assert.equal(entity.key.toString(), 'b');
  assert.equal(entity.options, DEFAULT_REQUEST);
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

test('the options of a request are what its parameters say, and what they do not say is the default', () => {
  const cases: [EntityMethod, string, Partial<RequestOptions>][] = [
    ['GET', 'consistency=linearizable', { consistency: Consistency.linearizable }],
    ['GET', 'consistency=default&ack=2', { ack: 2 }],
    ['GET', 'repair=write-back', { repair: 'write-back' }],
    ['GET', 'repair=%61sync&consistency=default', { repair: 'async' }],
    ['PUT', 'ttl=90', { ttlMs: 90_000 }],
    ['PUT', 'ttl=90s', { ttlMs: 90_000 }],
    ['PUT', 'ttl=10m&from=3', { ttlMs: 600_000, from: 3 }],
    ['PUT', 'ttl=2h', { ttlMs: 7_200_000 }],
    ['PUT', 'ttl=7d', { ttlMs: 604_800_000 }],
    ['PUT', 'ttl=3650d', { ttlMs: 315_360_000_000 }],
    ['PUT', 'explain=0', {}],
  ];
  for (const [method, query, said] of cases) {
    const { query: read, fault } = readEntity(`id=k&${query}`, method);
    assert.equal(fault, null, query);
    assert.deepEqual(read.options, { ...DEFAULT_REQUEST, ...said }, query);
  }
});

test('what an option cannot be is refused with a sentence that names it', () => {
  const cases: [EntityMethod, string, RegExp][] = [
    ['GET', 'consistency=strong', /"consistency" is none of .*: default or linearizable\.$/],
    ['GET', 'consistency=', /"consistency"/],
    ['GET', 'consistency=Linearizable', /"consistency"/],
    ['GET', 'consistency=%ff', /"consistency"/],
    ['GET', 'consistency=default&consistency=default', /"consistency" is given more than once/],
    ['GET', 'repair=sync', /"repair" is none of .*: write-back or async\.$/],
    ['GET', 'repair=async&repair=async', /"repair" is given more than once/],
    ['PUT', 'repair=async', /"repair" is for GET/],
    ['DELETE', 'repair=write-back', /"repair" is for GET/],
    ['GET', 'repair=async&consistency=linearizable', /"repair" must not be "async"/],
    ['PUT', 'ttl=', /"ttl" is not a time such as 90s/],
    ['PUT', 'ttl=-1', /"ttl" is not a time/],
    ['PUT', 'ttl=1.5h', /"ttl" is not a time/],
    ['PUT', 'ttl=10ms', /"ttl" is not a time/],
    ['PUT', 'ttl=10M', /"ttl" is not a time/],
    ['PUT', 'ttl=1 s', /"ttl" is not a time/],
    ['PUT', 'ttl=1234567890', /"ttl" is not a time/],
    ['PUT', 'ttl=0', /"ttl" is 0/],
    ['PUT', 'ttl=0d', /"ttl" is 0/],
    ['PUT', 'ttl=3651d', /"ttl" is above 3650d/],
    ['PUT', 'ttl=999999999d', /"ttl" is above 3650d/],
    ['PUT', 'ttl=5&ttl=5', /"ttl" is given more than once/],
    ['GET', 'ttl=5', /"ttl" is for PUT: a GET/],
    ['DELETE', 'ttl=5', /"ttl" is for PUT: a DELETE/],
  ];
  for (const [method, query, sentence] of cases) {
    const { fault } = readEntity(`id=k&${query}`, method);
    assert.equal(fault?.status, 400, query);
    assert.match(fault?.sentence ?? '', sentence, query);
  }
});
