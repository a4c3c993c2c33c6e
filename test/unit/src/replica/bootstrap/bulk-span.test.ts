import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRecord } from '../../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import { type Span, SpanBuilder } from '../../../../../src/replica/bootstrap/bulk-span.ts';
import { bulkEntries } from '../../../../support/bulk-entries.ts';
import { entriesOf } from '../../../../support/packed-runs.ts';

const START = new Uint8Array(0);
const FRESH = 1_000;

function recordAt(timestamp: number, from = 3, valueBytes = 10): Uint8Array {
  const fields = { timestamp, writer: 1, tombstone: false, from, expiryMs: 0 };
  return encodeRecord(fields, new Uint8Array(valueBytes));
}

function keysOf({ memory, runs }: Span): string[][] {
  const bytes = new Uint8Array(memory);
  return runs.map((pieces) =>
    pieces.flatMap(({ start, end }) =>
      entriesOf(bytes.slice(start, end)).map(({ key }) => Buffer.from(key).toString()),
    ),
  );
}

test('what lies before the end is taken, run by run, and the rest stays for the next span', () => {
  const builder = new SpanBuilder(2, 100);
  const page = (...keys: string[]): Buffer =>
    bulkEntries(keys.map((key) => [key, recordAt(key.charCodeAt(0))] as const));
  builder.add(0, page('a', 'c', 'e'), FRESH);
  builder.add(1, page('b', 'd'), FRESH);
  builder.add(1, page('f', 'h'), FRESH);
  const first = builder.cut(START, Buffer.from('d'));
  assert.deepEqual(keysOf(first), [['a', 'c'], ['b']]);
  assert.ok(first.largestTimestamp >= 'c'.charCodeAt(0));
  builder.add(0, page('g'), FRESH);
  // The span before is as it was, as it may be under way.
  assert.deepEqual(keysOf(first), [['a', 'c'], ['b']]);
  const second = builder.cut(Buffer.from('d'), Buffer.from('f'));
  assert.deepEqual(keysOf(second), [['e'], ['d']]);
  const last = builder.cut(Buffer.from('f'), null);
  assert.deepEqual(keysOf(last), [['g'], ['f', 'h']]);
  assert.deepEqual([builder.bytes, keysOf(builder.cut(START, null))], [0, [[], []]]);
});

test('what is fresh is set apart, and what no node could have written is left out', () => {
  const builder = new SpanBuilder(1, 4);
  const page = bulkEntries([
    ['a', recordAt(5)],
    ['b', recordAt(FRESH)],
    ['c', recordAt(7)],
    ['', recordAt(1)],
    ['d', recordAt(2, 0)],
    ['longer', recordAt(3)],
    ['e', new Uint8Array(3)],
    ['f', recordAt(FRESH - 1)],
  ]);
  assert.equal(builder.add(0, page, FRESH), 4);
  const own = Buffer.concat([bulkEntries([['x', recordAt(1)]])]);
  own[8] = 0xff;
  assert.equal(builder.add(0, own, FRESH), 1);
  const span = builder.cut(START, null);
  assert.deepEqual(keysOf(span), [['a', 'c', 'f']]);
  assert.deepEqual(
    entriesOf(span.fresh).map(({ key }) => Buffer.from(key).toString()),
    ['b'],
  );
  assert.deepEqual([span.entries, span.largestTimestamp], [4, FRESH - 1]);
});

test('what is fresh counts as held, and holds no page in memory', () => {
  const builder = new SpanBuilder(1, 4);
  const page = bulkEntries([['a', recordAt(FRESH, 3, 900)]]);
  builder.add(0, page, FRESH);
  assert.equal(builder.bytes, page.length);
  page.fill(0);
  const { fresh } = builder.cut(START, null);
  assert.deepEqual([fresh.length, entriesOf(fresh)[0].key[0], builder.bytes], [page.length, 97, 0]);
});

test('however pages and spans fall, each entry is in exactly one span, in order', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 30; round++) {
    const builder = new SpanBuilder(3, 100);
    const given = [0, 1, 2].map(() => new Set<string>());
    const taken: string[][] = [[], [], []];
    let start = 0;
    for (let end = 50; end <= 300; end += 50) {
      for (const [run, keys] of given.entries()) {
        // Up to the end and a little beyond, as a page does not end where a span does.
        const beyond = end + Math.floor(random() * 40);
        const last = Number([...keys].at(-1) ?? -1);
        for (let from = last + 1; from <= beyond; ) {
          const entries: [string, Uint8Array][] = [];
          for (const until = from + 1 + Math.floor(random() * 20); from < until && from <= beyond; from++) {
            if (random() < 0.5 && from !== beyond) continue;
            const key = String(from).padStart(4, '0');
            keys.add(key);
            entries.push([key, recordAt(from + 1, 3, Math.floor(random() * 3_000))]);
          }
          builder.add(run, bulkEntries(entries), Number.POSITIVE_INFINITY);
        }
      }
      const bound = end === 300 ? null : Buffer.from(String(end).padStart(4, '0'));
      const cut = keysOf(builder.cut(Buffer.from(String(start).padStart(4, '0')), bound));
      for (const [run, keys] of cut.entries()) {
        assert.ok(keys.every((key) => bound === null || key < bound.toString()));
        taken[run].push(...keys);
      }
      start = end;
    }
    assert.deepEqual(
      taken,
      given.map((keys) => [...keys]),
    );
  }
});
