import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packr } from 'msgpackr/pack';
import { Page } from '../../../../../native-free-lsm/index.ts';
import {
  type BulkPage,
  decodeBulkPage,
  decodeBulkRequest,
  encodeBulkPage,
  encodeBulkRequest,
} from '../../../../../src/replica/bootstrap/bulk-page-codec.ts';
import { bulkEntries } from '../../../../support/bulk-entries.ts';
import { record } from '../../../../support/engine-calls.ts';

const ENTRIES = bulkEntries([
  ['a', record(1, 'one')],
  ['b', record(2, '')],
]);

test('a request comes back as it was; what is no request is refused', () => {
  const request = { asker: 'n1', sources: ['n2', 'n3'], maxBytes: 9, start: Buffer.from([0, 255]) };
  const { start, ...rest } = decodeBulkRequest(encodeBulkRequest(request));
  assert.deepEqual(rest, { asker: 'n1', sources: ['n2', 'n3'], maxBytes: 9 });
  assert.deepEqual([...start], [0, 255]);
  const packr = new Packr({ useRecords: false });
  const no = [
    [],
    'x',
    [1, [], 1, start],
    ['a', ['b', 1], 1, start],
    ['a', [], 0, start],
    ['a', [], 1.5, start],
    ['a', [], 1, 'text'],
    ['a', [], 1, start, 1],
  ];
  for (const wrong of no) assert.throws(() => decodeBulkRequest(packr.pack(wrong)), { code: 'PROTOCOL' });
  assert.throws(() => decodeBulkRequest(Buffer.from([0xc1])), { code: 'PROTOCOL' });
});

test('a page comes back as it was, wherever it ends', () => {
  const ends: BulkPage['end'][] = [
    { kind: 'end' },
    { kind: 'behind' },
    { kind: 'at', key: Buffer.from('k'.repeat(4_096)) },
  ];
  for (const end of ends) {
    for (const entries of [ENTRIES, new Uint8Array(0)]) {
      // Nothing says behind what it ends.
      if (end.kind === 'behind' && entries.length === 0) continue;
      const page = decodeBulkPage(encodeBulkPage({ end, sourceBytes: 2 ** 40, entries }));
      assert.deepEqual(
        { ...page, entries: Buffer.from(page.entries), end: { ...page.end } },
        {
          end: end.kind === 'at' ? { kind: 'at', key: page.end.kind === 'at' && page.end.key } : end,
          sourceBytes: 2 ** 40,
          entries: Buffer.from(entries),
        },
      );
      if (end.kind === 'at') assert.ok(page.end.kind === 'at' && Buffer.from(end.key).equals(page.end.key));
    }
  }
  const walked = new Page(ENTRIES, ENTRIES.length, null);
  assert.ok(walked.next() && walked.next() && !walked.next());
});

test('a page that ends behind an entry, and has none, is refused', () => {
  const page = encodeBulkPage({ end: { kind: 'behind' }, sourceBytes: 0, entries: new Uint8Array(0) });
  assert.throws(() => decodeBulkPage(page), { code: 'PROTOCOL' });
});

test('of a page that is cut, or any byte of whose head is another, nothing is read beyond its end', () => {
  const whole = encodeBulkPage({
    end: { kind: 'at', key: Buffer.from('key') },
    sourceBytes: 7,
    entries: ENTRIES,
  });
  for (let length = 0; length < whole.length; length++) {
    const cut = whole.subarray(0, length);
    let page: BulkPage | null = null;
    try {
      page = decodeBulkPage(cut);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'PROTOCOL');
    }
    // It may end between two entries: each of them is whole.
    if (page !== null) for (const walk = new Page(page.entries, page.entries.length, null); walk.next(); );
  }
  for (let at = 0; at < whole.length; at++) {
    const other = Buffer.from(whole);
    other[at] ^= 0xff;
    try {
      const { entries } = decodeBulkPage(other);
      const walk = new Page(entries, entries.length, null);
      while (walk.next()) assert.ok(walk.recordEnd <= entries.length);
    } catch (error) {
      assert.equal((error as { code: string }).code, 'PROTOCOL');
    }
  }
});
