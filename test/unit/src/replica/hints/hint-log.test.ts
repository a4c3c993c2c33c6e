import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MapEngine, type MapRecords } from '../../../../../bench/cluster/map-engine.ts';
import {
  LsmError,
  type ReadSink,
  type WriteSink,
  WriteStatus,
} from '../../../../../native-free-lsm/index.ts';
import { HintLog, Noted } from '../../../../../src/replica/hints/hint-log.ts';
import type { HintQueue } from '../../../../../src/replica/hints/hint-queue.ts';
import { OwnPart, OwnRecords } from '../../../../../src/replica/own-records.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { KeptLog } from '../../../../support/rpc-nodes.ts';

const KIB = 1024;
const HOUR_MS = 3_600_000;

class FailingEngine extends MapEngine {
  isFull = false;
  isDamaged = false;

  override read(key: Uint8Array, sink: ReadSink, token: number): void {
    if (this.isDamaged) sink.onRead(token, null, new LsmError('CORRUPTION', 'a block is damaged'));
    else super.read(key, sink, token);
  }

  override write(key: Uint8Array, record: Uint8Array, sink: WriteSink, token: number): void {
    if (this.isFull)
      sink.onWrite(token, WriteStatus.failed, 0, 0, new LsmError('NO_SPACE', 'the disk is full'));
    else super.write(key, record, sink, token);
  }
}

describe('hints of a node', () => {
  let records: MapRecords;
  let engine: FailingEngine;
  let own: OwnRecords;
  let clock: FakeClock;
  let kept: KeptLog;
  let log: HintLog;
  beforeEach(() => {
    records = new Map();
    clock = new FakeClock();
    kept = new KeptLog();
    log = opened();
  });

  function opened(maxBytes = 64 * KIB, maxAgeMs = HOUR_MS): HintLog {
    engine = new FailingEngine(records);
    own = new OwnRecords(engine);
    return new HintLog({ records: own, clock, nowMs: () => clock.nowMs(), maxBytes, maxAgeMs, log: kept });
  }

  function add(nodeId: string, ...keys: string[]): void {
    for (const key of keys) assert.equal(log.add(nodeId, Buffer.from(key)), Noted.added, key);
  }

  function queueOf(nodeId: string): HintQueue {
    for (const queue of log.queues) if (queue.nodeId === nodeId) return queue;
    assert.fail(`no queue of ${nodeId}`);
  }

  /** Takes the oldest page of a node as a delivery does. */
  async function taken(nodeId: string): Promise<string[]> {
    const queue = queueOf(nodeId);
    const page = queue.first;
    assert.ok(page !== undefined);
    const keys = await log.begin(queue, page);
    await log.keep(queue, page, []);
    return (keys ?? []).map((key) => Buffer.from(key).toString());
  }

  async function storedPages(): Promise<number> {
    let pages = 0;
    for await (const { name } of own.scan(OwnPart.hints)) if (name.length > 1) pages++;
    return pages;
  }

  it('of a page that the disk has lost are given up, and keep back none behind them', async () => {
    add('b', 'k1', 'k2');
    await log.stored('b');
    engine.isDamaged = true;
    assert.deepEqual(await taken('b'), []);
    engine.isDamaged = false;
    assert.deepEqual([log.lost, await storedPages()], [2, 0]);
    assert.equal(queueOf('b').first, undefined);
    add('b', 'k1');
    await log.stored('b');
    assert.deepEqual(await taken('b'), ['k1'], 'they are noted again');
  });

  it('are stored some moments after they came, in one page for each node', async () => {
    add('b', 'k1', 'k2');
    add('c', 'k1');
    assert.equal(await storedPages(), 0);
    clock.advance(100);
    await Promise.all([log.stored('b'), log.stored('c')]);
    assert.equal(await storedPages(), 2);
    assert.deepEqual(await taken('b'), ['k1', 'k2']);
    assert.equal(await storedPages(), 1);
    assert.equal(clock.pendingTimers, 0);
  });

  it('come back in their order after a restart, and new ones go behind them', async () => {
    for (let page = 0; page < 5; page++) {
      add('b', `k${page}`);
      await log.stored('b');
    }
    const { bytes } = log;
    // The clock was set back meanwhile.
    clock.setWallMs(clock.nowMs() - 10 * HOUR_MS);
    log = opened();
    await log.load();
    assert.equal(log.bytes, bytes);
    add('b', 'k5');
    await log.stored('b');
    log = opened();
    await log.load();
    for (let page = 0; page <= 5; page++) assert.deepEqual(await taken('b'), [`k${page}`]);
    assert.deepEqual([queueOf('b').keys, queueOf('b').bytes, await storedPages()], [0, 0, 0]);
  });

  it('note a key once, until its delivery begins', async () => {
    add('b', 'k');
    assert.equal(log.add('b', Buffer.from('k')), Noted.known);
    assert.equal(log.add('c', Buffer.from('k')), Noted.added);
    await log.stored('b');
    assert.equal(log.add('b', Buffer.from('k')), Noted.known);
    const queue = queueOf('b');
    const page = queue.first;
    assert.ok(page !== undefined);
    await log.begin(queue, page);
    // Its record may have been read by now: this write came later.
    assert.equal(log.add('b', Buffer.from('k')), Noted.added);
    await log.keep(queue, page, []);
    await log.stored('b');
    assert.deepEqual(await taken('b'), ['k']);
  });

  it('of a page that was delivered in part, the rest stays in its place', async () => {
    add('b', 'k1', 'k2', 'k3');
    await log.stored('b');
    add('b', 'k4');
    await log.stored('b');
    const queue = queueOf('b');
    const before = queue.bytes;
    const page = queue.first;
    assert.ok(page !== undefined);
    const keys = await log.begin(queue, page);
    await log.keep(queue, page, (keys ?? []).slice(1));
    assert.deepEqual([queue.keys, queue.bytes], [3, before - 4]);
    log = opened();
    await log.load();
    assert.deepEqual(await taken('b'), ['k2', 'k3']);
    assert.deepEqual(await taken('b'), ['k4']);
  });

  it('are bounded in bytes; what is above is dropped, counted and said', async () => {
    log = opened(8 * KIB);
    let added = 0;
    for (let i = 0; i < 1_000; i++) {
      if (log.add('b', Buffer.from(`some key ${i}`)) === Noted.added) added++;
      if (i % 100 === 99) await log.stored('b');
    }
    assert.ok(log.bytes <= 8 * KIB + 200 && log.bytes > 7 * KIB, `${log.bytes} bytes`);
    assert.equal(log.overflowed, 1_000 - added);
    assert.equal(kept.matching(/Hints for node b are dropped/).length, 1);
    await taken('b');
    assert.equal(log.add('b', Buffer.from('another')), Noted.added);
  });

  it('are bounded in age', async () => {
    add('b', 'old', 'older');
    await log.stored('b');
    clock.advance(HOUR_MS - 1_000);
    add('b', 'young');
    await log.stored('b');
    await log.expire();
    assert.equal(log.expired, 0);
    clock.advance(2_000);
    await log.expire();
    assert.equal(log.expired, 2);
    assert.equal(log.add('b', Buffer.from('old')), Noted.added, 'it is no more known');
    assert.deepEqual(await taken('b'), ['young']);
    assert.equal(await storedPages(), 0);
  });

  it('do not age by a step of the own time or the wall clock, nor lose their age by a restart', async () => {
    add('b', 'old');
    await log.stored('b');
    clock.setWallMs(clock.nowMs() + 1_000 * HOUR_MS);
    await log.expire();
    assert.deepEqual([log.expired, log.oldestMs], [0, 0]);
    // A node that runs for 20 minutes at a time.
    for (let start = 0; start < 3; start++) {
      assert.equal(log.expired, 0);
      for (let minute = 0; minute < 20; minute++) {
        clock.advance(60_000);
        await log.expire();
      }
      const { oldestMs } = log;
      await log.close();
      // It was not there for days, and anything has happened to the clocks meanwhile.
      clock.setWallMs(clock.nowMs() - 2_000 * HOUR_MS);
      clock.advance(1_000 * HOUR_MS);
      log = opened();
      await log.load();
      assert.ok(Math.abs(log.oldestMs - oldestMs) < 100, `${log.oldestMs} after ${oldestMs}`);
    }
    clock.advance(60_000);
    await log.expire();
    assert.equal(log.expired, 1);
  });

  it('age also where the node is killed, but for a minute', async () => {
    add('b', 'old');
    await log.stored('b');
    for (let half = 0; half < 60; half++) {
      clock.advance(30_000);
      await log.expire();
    }
    log = opened();
    await log.load();
    const { oldestMs } = log;
    assert.ok(oldestMs <= 1_800_000 && oldestMs >= 1_740_000, `${oldestMs}`);
  });

  it('that cannot be stored are lost, counted and said, and can be noted again', async () => {
    engine.isFull = true;
    add('b', 'k1', 'k2');
    await log.stored('b');
    assert.deepEqual([log.lost, log.bytes], [2, 0]);
    assert.match(kept.lines[0], /error Hints are lost, as they cannot be stored/);
    engine.isFull = false;
    add('b', 'k1');
    await log.stored('b');
    assert.deepEqual(await taken('b'), ['k1']);
  });

  it('gather in bounded memory while the disk hangs', async () => {
    log = opened(1024 * 1024 * KIB);
    const writes: (() => void)[] = [];
    const { write } = engine;
    engine.write = (...args) => void writes.push(() => write.apply(engine, args));
    const key = Buffer.alloc(4_000, 'k');
    for (let i = 0; i < 2_000; i++) {
      key.writeUInt32LE(i);
      log.add('b', key);
    }
    assert.ok(log.bytes < 5 * 1024 * KIB, `${log.bytes} bytes`);
    assert.ok(log.overflowed > 500);
    engine.write = write;
    for (const go of writes) go();
    await log.stored('b');
    assert.equal(log.lost, 0);
  });

  it('fill pages up to what the store takes', async () => {
    log = opened(1024 * KIB);
    const key = Buffer.alloc(4_096, 'k');
    for (let i = 0; i < 7; i++) {
      key.writeUInt32LE(i);
      assert.equal(log.add('b', key), Noted.added);
    }
    await log.stored('b');
    assert.equal(log.lost, 0);
    assert.equal(await storedPages(), 3);
  });

  it('of a node that has left are forgotten, the stored ones too', async () => {
    add('b', 'k1');
    await log.stored('b');
    add('b', 'k2');
    assert.equal(await log.forget(queueOf('b')), 2);
    assert.equal(await storedPages(), 0);
    assert.equal(log.bytes, 0);
  });

  it('of another format are deleted, and cost none of the others', async () => {
    add('b', 'k1');
    await log.stored('b');
    await own.put(OwnPart.hints, Buffer.from('b\0\0\0\0\0\0\x01', 'latin1'), Buffer.from('not a page'));
    await own.put(OwnPart.hints, Buffer.from('xy'), Buffer.from('not a name'));
    log = opened();
    await log.load();
    assert.deepEqual([log.lost, await storedPages()], [2, 1]);
    assert.deepEqual(await taken('b'), ['k1']);
  });

  it('are all stored once it is closed', async () => {
    add('b', 'k1');
    add('c', 'k1');
    await log.close();
    assert.equal(await storedPages(), 2);
    assert.equal(clock.pendingTimers, 0);
  });
});
