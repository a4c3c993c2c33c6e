import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { FailureCode } from '../../../../../src/failure.ts';
import { ByteThrottle } from '../../../../../src/replica/byte-throttle.ts';
import { ReadRepairQueue } from '../../../../../src/replica/read-repair/read-repair-queue.ts';
import { MAX_QUEUED_REPAIRS } from '../../../../../src/replica/read-repair/repair-lane.ts';
import { FakeClock } from '../../../../../src/simulation/fake-clock.ts';
import { type FakeReplicaState, settledRead, settledWrite } from '../../../../support/fake-settlement.ts';
import { MapReplicas, recordOf } from '../../../../support/map-replicas.ts';

const MIB = 1024 * 1024;

function states(a: FakeReplicaState['state'], b: FakeReplicaState['state'], c: FakeReplicaState['state']) {
  return [
    { node: 'a', state: a },
    { node: 'b', state: b },
    { node: 'c', state: c },
  ];
}

describe('read repair', () => {
  let clock: FakeClock;
  let replicas: MapReplicas;
  let repair: ReadRepairQueue;
  beforeEach(() => {
    clock = new FakeClock();
    replicas = new MapReplicas('a', 'b', 'c');
    repair = repairOver(16 * MIB);
  });

  function repairOver(bytesPerSecond: number): ReadRepairQueue {
    const deliveries = { access: replicas, lists: replicas, timeoutMs: 1_000 };
    return new ReadRepairQueue({
      nodeId: 'a',
      deliveries,
      clock,
      throttle: new ByteThrottle(clock, bytesPerSecond),
    });
  }

  it('does nothing where all agree, and nothing about writes', () => {
    repair.onSettled(settledRead('k', states('current', 'current', 'unasked')));
    repair.onSettled(settledRead('k', states('current', 'failed', 'silent')));
    repair.onSettled(settledWrite('k', states('current', 'failed', 'newer')));
    clock.advance(1_000);
    assert.deepEqual(replicas.asked, []);
    assert.equal(clock.pendingTimers, 0);
  });

  it('brings what is newest to replicas that are stale or have none, from this node where it can', () => {
    const newest = recordOf(5, 'new');
    replicas.of('a').set('k', newest);
    replicas.of('b').set('k', recordOf(4, 'old'));
    repair.onSettled(settledRead('k', states('current', 'stale', 'missing')));
    assert.equal(replicas.asked.length, 0, 'not in the turn of the request');
    clock.advance(10);
    assert.deepEqual(replicas.of('b').get('k'), newest);
    assert.deepEqual(replicas.of('c').get('k'), newest);
    assert.ok(replicas.asked.every((asked) => !asked.startsWith('read') || asked === 'read a k'));
    assert.equal(repair.figures().repaired, 2);
  });

  it('brings what is newest to an owner whose disk could not read it, and not to one that failed otherwise', () => {
    const newest = recordOf(5, 'new');
    replicas.of('a').set('k', newest);
    const failed = (failure: FailureCode) =>
      settledRead('k', [
        { node: 'a', state: 'current' },
        { node: 'b', state: 'failed', failure },
      ]);
    for (const failure of [FailureCode.overloaded, FailureCode.peerUnavailable])
      repair.onSettled(failed(failure));
    clock.advance(100);
    assert.deepEqual(replicas.asked, []);
    repair.onSettled(failed(FailureCode.corruption));
    clock.advance(100);
    assert.deepEqual(replicas.of('b').get('k'), newest);
  });

  it('brings nothing to a replica that has none and is no owner, as the write had a smaller `from`', () => {
    replicas.of('a').set('k', recordOf(5, 'new'));
    replicas.of('c').set('k', recordOf(4, 'old'));
    const followUps: number[] = [];
    const settled = settledRead('k', states('current', 'missing', 'stale'), 1);
    repair.onSettled({ ...settled, noteFollowUp: (position) => void followUps.push(position) });
    assert.deepEqual(followUps, [2], 'what is older is not left, wherever it is');
    assert.deepEqual([repair.figures().queued, repair.figures().dropped], [1, 0]);
  });

  it('asks no other node for what this one has, wherever it stands among the owners', () => {
    for (const nodeId of ['a', 'b']) replicas.of(nodeId).set('k', recordOf(5, 'new'));
    repair.onSettled(
      settledRead('k', [
        { node: 'b', state: 'current' },
        { node: 'a', state: 'current' },
        { node: 'c', state: 'missing' },
      ]),
    );
    clock.advance(10);
    assert.deepEqual(replicas.asked, ['read a k', 'write c k']);
  });

  it('reads from the node that has it where this one lags itself, and repairs this one', () => {
    replicas.of('c').set('k', recordOf(5, 'new'));
    repair.onSettled(settledRead('k', states('missing', 'unasked', 'current')));
    clock.advance(10);
    assert.deepEqual(replicas.of('a').get('k'), recordOf(5, 'new'));
    assert.equal(replicas.of('b').size, 0);
  });

  it('brings deletions', () => {
    replicas.of('a').set('k', recordOf(5, null));
    replicas.of('b').set('k', recordOf(4, 'old'));
    repair.onSettled(settledRead('k', states('current', 'stale', 'missing')));
    clock.advance(10);
    assert.deepEqual(replicas.of('b').get('k'), recordOf(5, null));
    assert.deepEqual(replicas.of('c').get('k'), recordOf(5, null));
  });

  it("gives a copy to the newest version's own owners, and to another only if it holds an older one", () => {
    // Written with from 1: b and c are no owners of it.
    replicas.of('a').set('k', recordOf(5, 'new', 1));
    replicas.of('b').set('k', recordOf(4, 'old', 3));
    repair.onSettled(settledRead('k', states('current', 'stale', 'missing')));
    clock.advance(10);
    assert.deepEqual(replicas.of('b').get('k'), recordOf(5, 'new', 1));
    assert.equal(replicas.of('c').size, 0);
    assert.equal(repair.figures().repaired, 1);
    assert.equal(repair.figures().current, 1);
  });

  it('never gives a copy to a node outside the preference list', () => {
    replicas.of('a').set('k', recordOf(5, 'new'));
    repair.onSettled(
      settledRead('k', [
        { node: 'a', state: 'current' },
        { node: 'gone', state: 'stale' },
      ]),
    );
    clock.advance(10);
    assert.deepEqual(replicas.asked, ['read a k']);
  });

  it('repairs a key once, however often it is read meanwhile', () => {
    replicas.of('a').set('k', recordOf(5, 'new'));
    for (let i = 0; i < 100; i++) repair.onSettled(settledRead('k', states('current', 'missing', 'unasked')));
    assert.equal(repair.figures().queued, 1);
    clock.advance(100);
    assert.equal(replicas.countOf('write'), 1);
  });

  it('is throttled by number and by bytes', () => {
    for (let i = 0; i < 500; i++) {
      replicas.of('a').set(`k${i}`, recordOf(5, 'x'));
      repair.onSettled(settledRead(`k${i}`, states('current', 'missing', 'unasked')));
    }
    clock.advance(100);
    assert.ok(replicas.countOf('write') <= 220, `${replicas.countOf('write')} writes in 100 ms`);
    clock.advance(400);
    assert.equal(replicas.of('b').size, 500);
    replicas = new MapReplicas('a', 'b', 'c');
    repair = repairOver(10_000);
    for (let i = 0; i < 100; i++) {
      replicas.of('a').set(`k${i}`, recordOf(5, 'x'.repeat(984)));
      repair.onSettled(settledRead(`k${i}`, states('current', 'missing', 'unasked')));
    }
    clock.advance(5_000);
    const written = replicas.countOf('write');
    assert.ok(written >= 50 && written <= 61, `${written} of some 1,000 bytes at 10,000 bytes a second`);
  });

  it('drops and counts what does not fit in, and everything when it is closed', () => {
    for (let i = 0; i < MAX_QUEUED_REPAIRS + 7; i++)
      repair.onSettled(settledRead(`k${i}`, states('current', 'stale', 'unasked')));
    assert.equal(repair.figures().dropped, 7);
    assert.equal(repair.figures().queued, MAX_QUEUED_REPAIRS);
    repair.close();
    repair.onSettled(settledRead('k', states('current', 'stale', 'unasked')));
    clock.advance(1_000);
    assert.deepEqual(replicas.asked, []);
    assert.equal(repair.figures().dropped, MAX_QUEUED_REPAIRS + 8);
    assert.equal(clock.pendingTimers, 0);
  });

  it('goes on with the others while a node is frozen, and gives it few at a time', () => {
    replicas.frozen.add('b');
    for (let i = 0; i < 200; i++) {
      replicas.of('a').set(`k${i}`, recordOf(5, 'x'));
      repair.onSettled(settledRead(`k${i}`, states('current', 'missing', 'missing')));
    }
    clock.advance(500);
    assert.equal(replicas.of('c').size, 200);
    assert.equal(replicas.of('b').size, 0);
    assert.ok(replicas.asked.filter((asked) => asked.startsWith('write b')).length <= 16);
    replicas.thaw('b');
    clock.advance(500);
    assert.equal(replicas.of('b').size, 200);
  });

  it('leaves a node alone for a while that refuses, and tries no refused repair again', () => {
    replicas.refusing.set('b', FailureCode.overloaded);
    for (let i = 0; i < 40; i++) {
      replicas.of('a').set(`k${i}`, recordOf(5, 'x'));
      repair.onSettled(settledRead(`k${i}`, states('current', 'missing', 'missing')));
    }
    clock.advance(900);
    assert.equal(replicas.asked.filter((asked) => asked.startsWith('write b')).length, 1);
    assert.equal(replicas.of('c').size, 40);
    replicas.refusing.clear();
    clock.advance(1_500);
    assert.equal(replicas.of('b').size, 39);
    assert.equal(repair.figures().failed, 1);
    assert.equal(repair.figures().queued, 0);
  });
});
