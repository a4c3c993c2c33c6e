import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MapEngine } from '../../../../../bench/cluster/map-engine.ts';
import { Backoff } from '../../../../../src/backoff.ts';
import { FailureCode } from '../../../../../src/failure.ts';
import { ByteThrottle } from '../../../../../src/replica/byte-throttle.ts';
import { type DeliveryCounts, HintDelivery } from '../../../../../src/replica/hints/hint-delivery.ts';
import { HintLog } from '../../../../../src/replica/hints/hint-log.ts';
import type { HintQueue } from '../../../../../src/replica/hints/hint-queue.ts';
import { OwnRecords } from '../../../../../src/replica/own-records.ts';
import { failed } from '../../../../../src/reply.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { MapReplicas, recordOf } from '../../../../support/map-replicas.ts';
import { KeptLog } from '../../../../support/rpc-nodes.ts';

const MIB = 1024 * 1024;
/** Promises that follow each other within a turn. */
const MICROTASKS = 100;

describe('delivery of hints', () => {
  let clock: FakeClock;
  let replicas: MapReplicas;
  let log: HintLog;
  let counts: DeliveryCounts;
  let isUp: boolean;
  let requests: number;
  let faults: string[];
  let silentAsked: number;
  beforeEach(() => {
    clock = new FakeClock();
    replicas = new MapReplicas('a', 'b');
    const records = new OwnRecords(new MapEngine());
    const bounds = { maxBytes: 64 * MIB, maxAgeMs: 3_600_000 };
    log = new HintLog({ records, clock, nowMs: () => clock.nowMs(), ...bounds, log: new KeptLog() });
    counts = { delivered: 0, current: 0, undeliverable: 0, sentBytes: 0 };
    isUp = true;
    requests = 0;
    faults = [];
    silentAsked = 0;
  });

  /** Remembers these keys for b, and has its records here unless told otherwise. */
  async function note(keys: readonly string[], value: string | null = 'value'): Promise<void> {
    for (const key of keys) {
      log.add('b', Buffer.from(key));
      if (value !== '') replicas.of('a').set(key, recordOf(5, value, 2));
    }
    await log.stored('b');
  }

  function queue(): HintQueue {
    const [first] = log.queues;
    return first;
  }

  function delivering(bytesPerSecond = 16 * MIB): HintDelivery {
    const context = {
      nodeId: 'a',
      log,
      deliveries: { access: replicas, lists: replicas, timeoutMs: 1_000 },
      clock,
      throttle: new ByteThrottle(clock, bytesPerSecond),
      isUp: () => isUp,
      requests: () => requests,
      tellFault: (sentence: string) => void faults.push(sentence),
    };
    const delivery = new HintDelivery(queue(), context, counts, new Backoff(200, 5_000, () => 1));
    delivery.kick();
    return delivery;
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      for (let i = 0; i < MICROTASKS; i++) await undefined;
      clock.advance(10);
    }
    for (let i = 0; i < MICROTASKS; i++) await undefined;
  }

  function keysOf(count: number): string[] {
    return Array.from({ length: count }, (_, i) => `k${i}`);
  }

  it('brings what is newest, page by page, the oldest first, and forgets it then', async () => {
    await note(['k1', 'k2']);
    await note(['k3'], null);
    await note(['k4']);
    replicas.of('a').set('k1', recordOf(9, 'newer', 2));
    const delivery = delivering();
    await pass(10);
    const writes = replicas.asked.filter((asked) => asked.startsWith('write'));
    assert.deepEqual(writes, ['write b k1', 'write b k2', 'write b k3', 'write b k4']);
    assert.deepEqual(replicas.of('b').get('k1'), recordOf(9, 'newer', 2));
    assert.deepEqual(replicas.of('b').get('k3'), recordOf(5, null, 2), 'a deletion');
    assert.deepEqual([queue().keys, log.bytes, delivery.state], [0, 0, 'idle']);
    assert.equal(counts.delivered, 4);
  });

  it('waits for a node that is away, and asks it nothing', async () => {
    isUp = false;
    await note(['k']);
    const delivery = delivering();
    await pass(1_000);
    delivery.kick();
    assert.equal(delivery.state, 'waiting for the node');
    assert.deepEqual(replicas.asked, []);
    isUp = true;
    delivery.kick();
    await pass(10);
    assert.equal(replicas.of('b').size, 1);
  });

  it('counts what the node has by then, and what is not for it', async () => {
    await note(['same', 'newer', 'not its own', 'gone']);
    replicas.of('b').set('same', recordOf(5, 'value', 2));
    replicas.of('b').set('newer', recordOf(6, 'newer', 2));
    replicas.of('a').set('not its own', recordOf(5, 'value', 1));
    replicas.of('a').delete('gone');
    delivering();
    await pass(10);
    assert.deepEqual(
      { ...counts, sentBytes: 0 },
      { delivered: 0, current: 3, undeliverable: 1, sentBytes: 0 },
    );
    assert.equal(replicas.of('b').has('not its own'), false);
    assert.equal(queue().keys, 0);
  });

  it('stops at the first refusal, and tries again after longer and longer', async () => {
    replicas.refusing.set('b', FailureCode.overloaded);
    await note(keysOf(1_000));
    const delivery = delivering();
    await pass(10);
    assert.equal(delivery.state, 'backing off');
    assert.ok(
      replicas.countOf('write') <= 16,
      `${replicas.countOf('write')} writes to a node that is overloaded`,
    );
    await pass(10_000);
    assert.ok(replicas.countOf('write') <= 7 * 16, 'with pauses');
    replicas.refusing.clear();
    await pass(6_000);
    assert.equal(replicas.of('b').size, 1_000);
    assert.equal(counts.delivered, 1_000);
  });

  it('is held up by no record that can never be delivered', async () => {
    await note(keysOf(50));
    const { repairWrite } = replicas;
    replicas.repairWrite = (...args) => {
      const isPoison = Buffer.from(args[1]).toString() === 'k0';
      if (isPoison) replicas.refusing.set('b', FailureCode.tooLarge);
      repairWrite.apply(replicas, args);
      replicas.refusing.clear();
    };
    delivering();
    await pass(100);
    assert.equal(replicas.of('b').size, 49);
    assert.deepEqual([counts.undeliverable, queue().keys], [1, 0]);
  });

  it('waits for a node whose disk fails: its hints are not given up', async () => {
    replicas.refusing.set('b', FailureCode.storage);
    await note(keysOf(50));
    const delivery = delivering();
    await pass(1_000);
    assert.deepEqual([delivery.state, counts.undeliverable, queue().keys], ['backing off', 0, 50]);
    replicas.refusing.clear();
    await pass(6_000);
    assert.deepEqual([replicas.of('b').size, counts.delivered], [50, 50]);
  });

  it('gives up what this node cannot read, and goes on with the others', async () => {
    await note(keysOf(50));
    const { read } = replicas;
    replicas.read = (...args) => {
      if (Buffer.from(args[1]).toString() === 'k0') replicas.refusing.set('a', FailureCode.storage);
      read.apply(replicas, args);
      replicas.refusing.clear();
    };
    delivering();
    await pass(100);
    assert.deepEqual([replicas.of('b').size, counts.undeliverable, queue().keys], [49, 1, 0]);
  });

  it('keeps what a node has not taken when it stops in between, and nothing else', async () => {
    await note(keysOf(40));
    const { repairWrite } = replicas;
    let taken = 0;
    replicas.repairWrite = (...args) => {
      if (++taken > 25) replicas.refusing.set('b', FailureCode.peerLost);
      repairWrite.apply(replicas, args);
    };
    delivering();
    await pass(50);
    assert.equal(queue().keys, 15);
    replicas.repairWrite = repairWrite;
    replicas.refusing.clear();
    replicas.asked.length = 0;
    await pass(1_000);
    assert.equal(replicas.countOf('write'), 15);
    assert.equal(replicas.of('b').size, 40);
  });

  /** Nothing is heard of writes of this key until the function that is returned is called. */
  function silentAbout(silent: string): () => void {
    const { repairWrite } = replicas;
    replicas.repairWrite = (...args) => {
      const [, key, , timeoutMs, sink, position] = args;
      if (Buffer.from(key).toString() !== silent) repairWrite.apply(replicas, args);
      else {
        silentAsked++;
        clock.after(timeoutMs, () => sink.onReply(position, failed(FailureCode.timedOut, 'time is over')));
      }
    };
    return () => {
      replicas.repairWrite = repairWrite;
    };
  }

  /** As the node does twice a second. */
  async function tick(delivery: HintDelivery, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      for (let half = 0; half < 2; half++) {
        for (let i = 0; i < MICROTASKS; i++) await undefined;
        clock.advance(250);
      }
      delivery.kick();
    }
  }

  it('passes by what is never answered, goes on behind it, and tries it again later', async () => {
    await note(['k0']);
    await note(['k1']);
    await note(['k2']);
    const mend = silentAbout('k0');
    const delivery = delivering();
    await tick(delivery, 20_000);
    assert.deepEqual([...replicas.of('b').keys()], ['k1', 'k2']);
    assert.equal(queue().keys, 1);
    await note(['k3']);
    await tick(delivery, 7_000);
    assert.equal(replicas.of('b').has('k3'), true, 'what comes later is not kept back either');
    silentAsked = 0;
    await tick(delivery, 120_000);
    assert.ok(silentAsked >= 2 && silentAsked < 30, `${silentAsked} tries in two minutes`);
    mend();
    await tick(delivery, 7_000);
    assert.deepEqual([queue().keys, delivery.state], [0, 'idle']);
  });

  it('passes by within a page, also where one record is sent at a time', async () => {
    const large = 'x'.repeat(MIB);
    await note(keysOf(40).slice(20), large);
    const delivery = delivering(1_000 * MIB);
    await tick(delivery, 1_000);
    assert.equal(replicas.of('b').size, 20);
    await note(keysOf(20), large);
    silentAbout('k0');
    await tick(delivery, 10_000);
    assert.equal(replicas.of('b').size, 39);
    assert.equal(queue().keys, 1);
  });

  it('has passed nothing by for long when a node comes back that took nothing at all', async () => {
    for (const key of keysOf(5)) await note([key]);
    replicas.refusing.set('b', FailureCode.timedOut);
    const delivery = delivering();
    await tick(delivery, 120_000);
    replicas.refusing.clear();
    await tick(delivery, 7_000);
    assert.equal(replicas.of('b').size, 5);
  });

  it('delivers a write that came while its key was being delivered', async () => {
    await note(['k']);
    replicas.frozen.add('b');
    delivering();
    await pass(10);
    // Its record is on the way; this one is newer.
    await note(['k'], 'later');
    replicas.of('a').set('k', recordOf(6, 'later', 2));
    replicas.thaw('b');
    await pass(100);
    assert.deepEqual(replicas.of('b').get('k'), recordOf(6, 'later', 2));
    assert.equal(queue().keys, 0);
  });

  it('has few records under way while nothing answers', async () => {
    await note(keysOf(1_000));
    replicas.frozen.add('b');
    delivering();
    await pass(5_000);
    assert.ok(replicas.countOf('write') <= 16);
  });

  it('is bounded in bytes a second', async () => {
    for (const key of keysOf(40)) {
      await note([key], 'x'.repeat(980));
    }
    delivering(10_000);
    await pass(1_000);
    const { sentBytes } = counts;
    assert.ok(sentBytes >= 10_000 && sentBytes <= 25_000, `${sentBytes} bytes in the first second`);
    await pass(4_000);
    assert.equal(replicas.of('b').size, 40);
  });

  it('rests between batches while clients have work for the node', async () => {
    await note(keysOf(2_000));
    const { repairWrite } = replicas;
    // Each write takes some time, and meanwhile clients ask for as much.
    replicas.repairWrite = (...args) => {
      requests++;
      clock.after(5, () => repairWrite.apply(replicas, args));
    };
    delivering();
    await pass(100);
    const busy = replicas.of('b').size;
    await pass(1_500);
    assert.equal(replicas.of('b').size, 2_000);
    replicas = new MapReplicas('a', 'b');
    await note(keysOf(2_000));
    const idle = replicas.repairWrite;
    replicas.repairWrite = (...args) => void clock.after(5, () => idle.apply(replicas, args));
    delivering();
    await pass(100);
    assert.ok(replicas.of('b').size > 2 * busy, `${replicas.of('b').size} against ${busy}`);
  });

  it('begins nothing once it is closed', async () => {
    await note(keysOf(1_000));
    replicas.frozen.add('b');
    const delivery = delivering();
    await pass(10);
    delivery.close();
    replicas.thaw('b');
    await pass(1_000);
    delivery.kick();
    await pass(1_000);
    assert.ok(replicas.countOf('write') <= 16);
    assert.deepEqual(faults, []);
    assert.equal(queue().keys, 1_000 - replicas.of('b').size);
  });
});
