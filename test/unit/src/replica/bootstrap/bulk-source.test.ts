import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MapEngine } from '../../../../../bench/cluster/map-engine.ts';
import { encodeRecord, Page, slotOf } from '../../../../../native-free-lsm/index.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import {
  type BulkRequest,
  decodeBulkPage,
  encodeBulkRequest,
} from '../../../../../src/replica/bootstrap/bulk-page-codec.ts';
import { BulkSource } from '../../../../../src/replica/bootstrap/bulk-source.ts';
import type { StorageEngine } from '../../../../../src/replica/storage-engine.ts';
import { type ReplicaReply, ReplyKind } from '../../../../../src/reply.ts';

const NODES = ['a', 'b', 'c'];
/** Each slot has the nodes in another order. */
const owners = {
  idsOf: (slot: number) => [0, 1, 2].map((position) => NODES[(slot + position) % NODES.length]),
};
const IGNORE = { onWrite: () => undefined };

function put(engine: MapEngine, key: string, from: number, value = 'value', tombstone = false): void {
  const fields = { timestamp: 5, writer: 1, tombstone, from, expiryMs: 0 };
  engine.write(Buffer.from(key, 'latin1'), encodeRecord(fields, Buffer.from(value)), IGNORE, 0);
}

function sourceOf(
  engine: Pick<StorageEngine, 'rangePage' | 'stats'>,
  wholeness = { isWhole: true },
): BulkSource {
  return new BulkSource({ nodeId: 'b', engine, owners: () => owners, wholeness });
}

function ask(source: BulkSource, changes: Partial<BulkRequest> = {}): Promise<ReplicaReply> {
  const request = { asker: 'a', sources: ['b', 'c'], maxBytes: 1_000, start: new Uint8Array(0), ...changes };
  return new Promise((resolve) =>
    source.serve(encodeBulkRequest(request), { onReply: (_, reply) => resolve(reply) }, 0),
  );
}

async function allKeys(source: BulkSource, changes: Partial<BulkRequest> = {}): Promise<string[]> {
  const keys: string[] = [];
  for (let start = new Uint8Array(0) as Uint8Array; ; ) {
    const reply = await ask(source, { ...changes, start });
    assert.equal(reply.kind, ReplyKind.ok, reply.reason);
    const { end, entries } = decodeBulkPage(reply.record!);
    let last = '';
    for (const page = new Page(entries, entries.length, null); page.next(); keys.push(last))
      last = Buffer.from(entries.subarray(page.keyStart, page.keyEnd)).toString('latin1');
    if (end.kind === 'end') return keys;
    if (end.kind === 'behind') start = Buffer.from(`${last}\0`, 'latin1');
    else {
      assert.ok(Buffer.compare(end.key, start) > 0, 'it goes forward');
      start = end.key;
    }
  }
}

test('pages have, in order, exactly the entries that the asker owns and this node is to send, tombstones too', async () => {
  const engine = new MapEngine();
  const wanted: string[] = [];
  const number = (i: number): string => `key${String(i).padStart(3, '0')}`;
  for (let i = 0; i < 300; i++) {
    const key = number(i);
    const from = 1 + (i % 3);
    put(engine, key, from, 'x'.repeat(i), i % 7 === 0);
    const list = owners.idsOf(slotOf(Buffer.from(key)));
    const isSent = list.indexOf('b') < list.indexOf('c');
    if (isSent && list.indexOf('a') < from) wanted.push(key);
  }
  // The node's own are nobody else's.
  put(engine, '\xffh1', 0);
  assert.ok(wanted.length > 50);
  const source = sourceOf(engine);
  for (const maxBytes of [1, 100, 1_000, 1_000_000])
    assert.deepEqual(await allKeys(source, { maxBytes }), wanted);
  const both = [
    ...wanted,
    ...(await allKeys(
      new BulkSource({ nodeId: 'c', engine, owners: () => owners, wholeness: { isWhole: true } }),
    )),
  ];
  const owned = Array.from({ length: 300 }, (_, i) => i).filter(
    (i) => owners.idsOf(slotOf(Buffer.from(number(i)))).indexOf('a') < 1 + (i % 3),
  );
  assert.deepEqual(both.toSorted(), owned.map(number));
  assert.ok(source.sentBytes > 0);
});

test('an entry that is larger than a page goes alone, also one whose key would not fit into the message twice', async () => {
  const engine = new MapEngine();
  const keys = ['k'.repeat(4_000), 'm'.repeat(4_000), 'n'];
  for (const key of keys) put(engine, key, 3, 'x'.repeat(700_000));
  const sources = ['b'];
  assert.deepEqual(await allKeys(sourceOf(engine), { maxBytes: 2 ** 30, sources }), keys);
  const { record } = await ask(sourceOf(engine), { maxBytes: 2 ** 30, sources });
  assert.equal(decodeBulkPage(record!).end.kind, 'behind');
  assert.ok(record!.length < 700_000 + 4_000 + 100);
});

test('a node that lacks data itself sends nothing, also when that is found out while a page is read', async () => {
  const wholeness = { isWhole: false };
  const engine = new MapEngine();
  put(engine, 'key', 3);
  assert.equal((await ask(sourceOf(engine, wholeness))).kind, ReplyKind.incomplete);
  wholeness.isWhole = true;
  const found: StorageEngine['rangePage'] = (request) => {
    wholeness.isWhole = false;
    return engine.rangePage(request);
  };
  const source = sourceOf({ rangePage: found, stats: () => engine.stats() }, wholeness);
  assert.equal((await ask(source)).kind, ReplyKind.incomplete);
});

test('without sources nothing is wanted, and the answer says only that the node is whole', async () => {
  const engine = new MapEngine();
  put(engine, 'key', 3);
  assert.deepEqual(await allKeys(sourceOf(engine), { sources: [] }), []);
});

test('one page is read at a time, further ones wait, and too many are refused; a failure is told by its code', async () => {
  let reading = 0;
  let most = 0;
  const engine = new MapEngine();
  put(engine, 'key', 3);
  const rangePage: StorageEngine['rangePage'] = async (request) => {
    most = Math.max(most, ++reading);
    await undefined;
    reading--;
    return engine.rangePage(request);
  };
  const source = sourceOf({ rangePage, stats: () => engine.stats() });
  const replies = await Promise.all(Array.from({ length: 40 }, () => ask(source)));
  assert.equal(most, 1);
  const refused = replies.filter(({ kind }) => kind === ReplyKind.failed);
  assert.deepEqual([refused.length, refused[0].code], [8, FailureCode.overloaded]);
  const failing = sourceOf({
    rangePage: () => Promise.reject(Object.assign(new Error('damaged'), { code: 'CORRUPTION' })),
    stats: () => engine.stats(),
  });
  assert.equal((await ask(failing)).code, FailureCode.corruption);
  assert.equal((await ask(failing)).code, FailureCode.corruption, 'it goes on after a failure');
});
