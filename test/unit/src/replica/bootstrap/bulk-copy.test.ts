import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MapEngine } from '../../../../../bench/cluster/map-engine.ts';
import {
  encodeRecord,
  type KeyedRecord,
  type WriteSink,
  WriteStatus,
} from '../../../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../../../src/clock.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import { BulkCopy } from '../../../../../src/replica/bootstrap/bulk-copy.ts';
import { decodeBulkRequest, encodeBulkPage } from '../../../../../src/replica/bootstrap/bulk-page-codec.ts';
import { BulkSource } from '../../../../../src/replica/bootstrap/bulk-source.ts';
import { BulkWriter } from '../../../../../src/replica/bootstrap/bulk-writer.ts';
import { maxWriteAgeMs } from '../../../../../src/replica/bootstrap/write-age.ts';
import { OwnRecords } from '../../../../../src/replica/own-records.ts';
import type { StorageEngine } from '../../../../../src/replica/storage-engine.ts';
import { failed, found, type ReplySink } from '../../../../../src/reply.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { bulkEntries } from '../../../../support/bulk-entries.ts';
import { entriesOf } from '../../../../support/packed-runs.ts';

const INCARNATION = '0123456789abcdef0123456789abcdef';
const NODES = ['a', 'b', 'c'];
const owners = {
  idsOf: (slot: number) => [0, 1, 2].map((position) => NODES[(slot + position) % NODES.length]),
};
const IGNORE: WriteSink = { onWrite: () => undefined };

/** Node a, from which everything is missing, and two whole ones. */
class Cluster {
  readonly clock = new FakeClock();
  readonly engine = new MapEngine();
  readonly warnings: string[] = [];
  readonly asked: string[] = [];
  readonly away = new Set<string>();
  readonly incomplete = new Set<string>();
  /** A source that cannot read its data. */
  broken = '';
  /** A source whose pages end where they begin. */
  stuck = '';
  /** Writes fail so often. */
  refusals = 0;
  ingest: StorageEngine['ingest'] = () => Promise.resolve(null);
  readonly #sources: ReadonlyMap<string, BulkSource>;

  constructor(keys: number) {
    const held = new MapEngine();
    for (let i = 0; i < keys; i++) {
      const fields = { timestamp: 5, writer: 1, tombstone: i % 5 === 0, from: 3, expiryMs: 0 };
      held.write(Buffer.from(`key${i}`), encodeRecord(fields, Buffer.alloc(2_000)), IGNORE, 0);
    }
    const { incomplete } = this;
    this.#sources = new Map(
      ['b', 'c'].map((nodeId) => {
        const wholeness = {
          get isWhole() {
            return !incomplete.has(nodeId);
          },
        };
        return [nodeId, new BulkSource({ nodeId, engine: held, owners: () => owners, wholeness })];
      }),
    );
  }

  get keys(): Promise<number> {
    const range = {
      start: new Uint8Array(0),
      end: Buffer.from([0xff]),
      maxBytes: 2 ** 30,
      maxEntries: 2 ** 30,
    };
    return this.engine.rangePage({ ...range, includeTombstones: true, encoder: 0, nowMs: 0 }).then((page) => {
      let count = 0;
      while (page.next()) count++;
      return count;
    });
  }

  copy(): BulkCopy {
    const writeBatch = (puts: readonly KeyedRecord[], sink: WriteSink, token: number): void => {
      if (this.refusals-- > 0) sink.onWrite(token, WriteStatus.failed, 0, 0, new Error('no space'));
      else this.engine.writeBatch(puts, sink, token);
    };
    return new BulkCopy({
      nodeId: 'a',
      incarnation: INCARNATION,
      peers: {
        ids: ['b', 'c'],
        isUp: (id) => !this.away.has(id),
        bulkPage: (id, request, _timeoutMs, sink) => this.#ask(id, request, sink),
      },
      writer: new BulkWriter({
        engine: { writeBatch, ingest: (request) => this.ingest(request) },
        timestamps: { follow: () => true },
        maxBatchBytes: 8_000,
      }),
      records: new OwnRecords(this.engine),
      pace: { rest: () => Promise.resolve() },
      spanBytes: 1_000_000,
      maxKeyBytes: 100,
      freshFrom: () => Number.POSITIVE_INFINITY,
      clock: this.clock,
      random: seededRandom(1),
      log: { info: () => undefined, warn: (message) => void this.warnings.push(message) },
    });
  }

  async settle<T>(promise: Promise<T>, timeoutMs = 60_000): Promise<T> {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    promise.then(end, end);
    for (let ms = 0; ms < timeoutMs; ms += 10) {
      for (let i = 0; i < 50 && !isSettled; i++) await undefined;
      if (isSettled) return promise;
      this.clock.advance(10);
    }
    throw new Error('the copy does not end');
  }

  #ask(id: string, request: Uint8Array, sink: ReplySink): void {
    this.asked.push(id);
    const asked = decodeBulkRequest(request);
    if (this.away.has(id)) sink.onReply(0, failed(FailureCode.peerLost, 'lost'));
    else if (this.broken === id && this.asked.length > 4)
      sink.onReply(0, failed(FailureCode.corruption, 'damaged'));
    else if (this.stuck === id && asked.start.length > 0) {
      const { start: key } = asked;
      const page = { end: { kind: 'at', key }, sourceBytes: 0, entries: new Uint8Array(0) } as const;
      sink.onReply(0, found(encodeBulkPage(page)));
    } else this.#sources.get(id)?.serve(request, sink, 0);
  }
}

const NEVER = new AbortController().signal;

test('all entries come, from both sources, and the second time nothing is asked for', async () => {
  const cluster = new Cluster(1_000);
  const copy = cluster.copy();
  assert.deepEqual(await cluster.settle(copy.run(7, NEVER)), ['b', 'c']);
  assert.equal(await cluster.keys, 1_000);
  const { copiedEntries, sources, waitsFor } = copy.figures();
  assert.deepEqual([copiedEntries, sources.every(({ isDone }) => isDone), waitsFor], [1_000, true, []]);
  cluster.asked.length = 0;
  assert.deepEqual(await cluster.settle(cluster.copy().run(7, NEVER)), ['b', 'c']);
  assert.deepEqual(cluster.asked, []);
  // For another lack it begins anew.
  await cluster.settle(cluster.copy().run(8, NEVER));
  assert.ok(cluster.asked.length > 0);
});

test('one that was cut off goes on where it was, without what was written already', async () => {
  const cluster = new Cluster(4_000);
  const over = new AbortController();
  const first = cluster.copy();
  const running = cluster.settle(first.run(7, over.signal)).catch(() => undefined);
  for (let turn = 0; first.figures().copiedEntries === 0 && turn < 10_000; turn++) await undefined;
  over.abort(new Error('killed'));
  await running;
  const before = first.figures().copiedEntries;
  assert.ok(before > 0 && before < 4_000, String(before));
  await cluster.settle(cluster.copy().run(7, NEVER));
  assert.equal(await cluster.keys, 4_000);
});

test('a source that is away is waited for, and then the other one sends everything', async () => {
  const cluster = new Cluster(500);
  cluster.away.add('c');
  assert.deepEqual(await cluster.settle(cluster.copy().run(7, NEVER)), ['b']);
  assert.equal(await cluster.keys, 500);
});

test('a node that lacks data itself is no source; where all others do, there is none', async () => {
  const cluster = new Cluster(500);
  cluster.incomplete.add('b');
  assert.deepEqual(await cluster.settle(cluster.copy().run(7, NEVER)), ['c']);
  assert.equal(await cluster.keys, 500);
  cluster.incomplete.add('c');
  assert.deepEqual(await cluster.settle(cluster.copy().run(8, NEVER)), []);
});

test('what a source cannot read is left to the rounds, and everything else comes', async () => {
  const cluster = new Cluster(4_000);
  cluster.broken = 'b';
  assert.deepEqual(await cluster.settle(cluster.copy().run(7, NEVER)), ['b', 'c']);
  const keys = await cluster.keys;
  assert.ok(keys >= 1_500 && keys < 4_000, String(keys));
  assert.match(cluster.warnings.join(), /Node b cannot send the rest/);
});

test('a disk that refuses for a while is tried until it takes the entries', async () => {
  const cluster = new Cluster(300);
  cluster.refusals = 20;
  await cluster.settle(cluster.copy().run(7, NEVER));
  assert.equal(await cluster.keys, 300);
  assert.match(cluster.warnings.join(), /cannot be written/);
});

test('what the engine takes is put no more, but for what it leaves; where it takes nothing all of it is put', async () => {
  for (const outcome of ['left', 'nothing', 'fails'] as const) {
    const cluster = new Cluster(1_000);
    let taken = 0;
    let left = 0;
    cluster.ingest = async ({ entries, runs }) => {
      if (outcome === 'fails') throw new Error('a damaged table is in the way');
      if (outcome === 'nothing') return null;
      const all = runs.flatMap((pieces) =>
        pieces.map(({ start, end }) => new Uint8Array(entries, start, end - start)),
      );
      const [first, ...others] = all.flatMap((bytes) => entriesOf(bytes));
      taken += others.length;
      left++;
      return bulkEntries([[Buffer.from(first.key).toString(), first.record]]);
    };
    await cluster.settle(cluster.copy().run(7, NEVER));
    assert.equal(await cluster.keys, outcome === 'left' ? left : 1_000);
    assert.equal(taken + left, outcome === 'left' ? 1_000 : 0);
  }
});

test('a source whose pages end where they begin is not asked for ever: the rest of its share is left to the rounds', async () => {
  const cluster = new Cluster(1_000);
  cluster.stuck = 'c';
  assert.deepEqual(await cluster.settle(cluster.copy().run(7, NEVER)), ['b', 'c']);
  assert.ok(cluster.asked.length < 40, `${cluster.asked.length} pages`);
  assert.match(
    cluster.warnings.join('\n'),
    /c does not send .* its page does not end behind where it begins/,
  );
  assert.match(cluster.warnings.join('\n'), /c cannot send the rest/);
});

test('what is as young as a write under way may be is no table to wait for, however far clocks may differ', () => {
  assert.equal(maxWriteAgeMs({ requestTimeoutMs: 1_000, maxClockDriftMs: 500 }), 5_000);
  assert.equal(maxWriteAgeMs({ requestTimeoutMs: 1_000, maxClockDriftMs: 10_000 }), 21_000);
});
