import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isTombstone, recordTimestamp } from '../../../../native-free-lsm/index.ts';
import type { Replication } from '../../../../src/config.ts';
import { FailureCode } from '../../../../src/failure.ts';
import {
  ABSENT,
  failed,
  incomplete,
  type ReplicaReply,
  SETTLED_WRITER,
  STORED,
} from '../../../../src/reply.ts';
import {
  Consistency,
  type RequestCondition,
  type RequestOptions,
  requestOptions,
} from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';
import { REPLICATIONS } from '../../../support/replication.ts';

const DOWN = failed(FailureCode.peerUnavailable, 'down');
const LINEARIZABLE = requestOptions({ ack: 2, from: 3, consistency: Consistency.linearizable });

function setUp(replication: Replication = 'parallel', count = 3) {
  const replicas = new FakeReplicas(viewOfNodes(count));
  const made = setUpCoordinator(replicas, undefined, replication, {}, true);
  const { asked } = replicas;
  const answers = new Answers();
  const reply = (questions: readonly Question[], position: number, said: ReplicaReply): void =>
    questions.find(({ node }) => node === made.preferred[position])?.reply(said);
  const versions = (): Question[] => asked.filter(({ isOfVersion }) => isOfVersion);
  const writes = (): Question[] => asked.filter(({ record }) => record !== null);
  return {
    ...made,
    asked,
    answers,
    versions,
    writes,
    versionAt: (position: number, said: ReplicaReply) => reply(versions(), position, said),
    writtenAt: (position: number, said: ReplicaReply) => reply(writes(), position, said),
    put: (options: RequestOptions = LINEARIZABLE) => made.coordinator.put(KEY, VALUE, options, answers),
  };
}

function conditional(condition: Partial<RequestCondition>): RequestOptions {
  return requestOptions({ ack: 2, from: 3, condition: { ifMatch: null, ifNoneMatch: null, ...condition } });
}

for (const replication of REPLICATIONS) {
  describe(`linearizable, ${replication}`, () => {
    test('all are asked for their versions, and the write is later than every one, whatever the clock shows', () => {
      const { answers, clock, put, settled, timestamps, versionAt, versions, writes, writtenAt } =
        setUp(replication);
      put();
      assert.equal(versions().length, 3);
      assert.deepEqual(writes(), []);
      clock.advance(5);
      versionAt(0, found(8_000, ''));
      assert.deepEqual(writes(), []);
      versionAt(2, found(200, ''));
      assert.equal(writes().length, 3);
      assert.ok(writes().every(({ record }) => recordTimestamp(record!, 0) === 8_001));
      assert.ok(writes().every(({ timeoutMs }) => timeoutMs === TIMEOUT_MS - 5));
      writtenAt(1, STORED);
      assert.deepEqual(answers.all, []);
      writtenAt(0, STORED);
      assert.deepEqual(answers.all, ['ok']);
      assert.deepEqual(answers.versions, ['8001 by 7']);
      assert.equal(timestamps.last, 8_001);
      writtenAt(2, STORED);
      assert.equal(settled.length, 1);
    });

    test('its own clock may be ahead of all versions', () => {
      const { put, timestamps, versionAt, writes } = setUp(replication);
      timestamps.last = 9_000;
      put();
      versionAt(0, ABSENT);
      versionAt(1, found(200, ''));
      assert.equal(recordTimestamp(writes()[0].record!, 0), 9_001);
    });

    test('a replica that has a newer version by then counts, and the write is sent under one version only', () => {
      const { answers, put, settled, versionAt, writes, writtenAt } = setUp(replication);
      put();
      versionAt(0, ABSENT);
      versionAt(1, ABSENT);
      writtenAt(0, stale(500));
      assert.deepEqual(answers.all, []);
      writtenAt(1, STORED);
      writtenAt(2, stale(500));
      assert.deepEqual(answers.all, ['ok']);
      assert.equal(writes().length, 3);
      assert.equal(new Set(writes().map(({ record }) => recordTimestamp(record!, 0))).size, 1);
      assert.equal(settled[0].isConflict, true);
    });

    test('nothing is written when too few say their version, and the answer tells why', () => {
      const { answers, ids, put, settled, versionAt, writes } = setUp(replication);
      put();
      versionAt(1, DOWN);
      versionAt(0, incomplete(found(300, '').record));
      assert.deepEqual(answers.all, [
        `notEnoughReplicas 2 of 3 replicas had to say which version they have before the write, 0 did (${ids[0]}: its data is not whole; ${ids[1]}: down; ${ids[2]}: no answer yet). Nothing was written.`,
      ]);
      versionAt(2, ABSENT);
      assert.deepEqual(writes(), []);
      assert.equal(settled.length, 1);
    });
  });
}

test('a deletion is linearizable in the same way', () => {
  const { answers, coordinator, versionAt, writes, writtenAt } = setUp();
  coordinator.delete(KEY, LINEARIZABLE, answers);
  versionAt(0, found(300, ''));
  versionAt(1, found(300, ''));
  assert.ok(isTombstone(writes()[0].record!, 0));
  assert.equal(recordTimestamp(writes()[0].record!, 0), 301);
  writtenAt(0, STORED);
  writtenAt(1, STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('a replica that is not whole does not count, but what it has is won over', () => {
  const { answers, put, versionAt, writes } = setUp();
  put();
  versionAt(0, incomplete(found(700, '').record));
  versionAt(1, ABSENT);
  assert.deepEqual(writes(), []);
  versionAt(2, ABSENT);
  assert.equal(recordTimestamp(writes()[0].record!, 0), 701);
  assert.deepEqual(answers.all, []);
});

test('a version too far ahead cannot be won over, and nothing is written', () => {
  const { answers, put, timestamps, versionAt, writes } = setUp();
  put();
  versionAt(0, found(timestamps.limit + 1, ''));
  versionAt(1, ABSENT);
  assert.match(
    answers.all.join(),
    /^notEnoughReplicas A replica holds a version too far ahead.*Nothing was written/,
  );
  assert.deepEqual(writes(), []);
});

test('a replica that refuses the timestamp does not count', () => {
  const { answers, put, versionAt, writtenAt } = setUp();
  const refused = failed(FailureCode.timestampAhead, 'timestamp too far ahead of the clock');
  put();
  versionAt(0, ABSENT);
  versionAt(1, ABSENT);
  writtenAt(0, STORED);
  writtenAt(1, refused);
  writtenAt(2, refused);
  assert.match(answers.all.join(), /^notEnoughReplicas 2 of 3 replicas had to answer, 1 did/);
});

test('a replica that takes so old a version for settled has not stored it, and it is not sent again', () => {
  const { answers, put, timestamps, versionAt, writes, writtenAt } = setUp();
  put();
  versionAt(0, ABSENT);
  versionAt(1, ABSENT);
  writtenAt(0, stale(900, SETTLED_WRITER));
  writtenAt(1, stale(900, SETTLED_WRITER));
  assert.match(answers.all.join(), /^notEnoughReplicas/);
  assert.equal(writes().length, 3);
  assert.ok(timestamps.last >= 900, 'the next write is late enough');
});

test('an ordinary write takes a later timestamp where so old a version is settled, however often', () => {
  const { answers, coordinator, writes } = setUp();
  coordinator.put(KEY, VALUE, requestOptions({ ack: 2, from: 3 }), answers);
  for (const [tried, settledUpTo] of [900, 1_000].entries()) {
    for (const { reply } of writes().slice(3 * tried, 3 * tried + 2))
      reply(stale(settledUpTo, SETTLED_WRITER));
    assert.deepEqual(answers.all, []);
    assert.equal(recordTimestamp(writes().at(-1)!.record!, 0), settledUpTo + 1);
  }
  for (const { reply } of writes().slice(6, 8)) reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('a watermark does not say what a replica holds, so a newer version there still has to be won over', () => {
  const { answers, coordinator, writes } = setUp();
  coordinator.put(KEY, VALUE, requestOptions({ ack: 2, from: 3 }), answers);
  for (const { reply } of writes()) reply(stale(900, SETTLED_WRITER));
  // It was there, and acknowledged, before this write had begun.
  for (const { reply } of writes().slice(3)) reply(stale(5_000));
  assert.deepEqual(answers.all, []);
  for (const { reply } of writes().slice(6)) reply(STORED);
  assert.deepEqual(answers.versions, ['5001 by 7']);
});

test('nor does one that comes when the write is sent again already', () => {
  const { answers, coordinator, writes } = setUp('parallel', 4);
  coordinator.put(KEY, VALUE, requestOptions({ ack: 3, from: 4 }), answers);
  const settled = stale(900, SETTLED_WRITER);
  for (const [position, said] of [STORED, settled, settled, settled].entries())
    writes()[position].reply(said);
  const second = writes().slice(4);
  second[0].reply(STORED);
  second[1].reply(STORED);
  second[3].reply(stale(5_000));
  assert.deepEqual(answers.all, []);
  second[2].reply(stale(5_000));
  for (const { reply } of writes().slice(8)) reply(STORED);
  assert.deepEqual(answers.versions, ['5001 by 7']);
});

test('the deadline ends either phase, and what is said later changes nothing', () => {
  const { answers, clock, put, settled, versionAt, writes, writtenAt } = setUp();
  put();
  versionAt(0, ABSENT);
  clock.advance(TIMEOUT_MS + 10);
  assert.match(answers.all[0], /before the write, 1 did \(.*no answer in 1000 ms.*Nothing was written/);
  versionAt(1, ABSENT);
  versionAt(2, ABSENT);
  assert.deepEqual(writes(), []);
  assert.equal(settled.length, 1);

  const { length } = answers.all;
  put();
  clock.advance(TIMEOUT_MS / 2);
  assert.equal(answers.all.length, length);
  clock.advance(TIMEOUT_MS);
  assert.equal(answers.all.length, 2);
  writtenAt(0, STORED);
  assert.equal(answers.all.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

test('a write whose second phase has no answer in time may have been stored, and says who said nothing', () => {
  const { answers, clock, put, versionAt, writtenAt } = setUp();
  put();
  versionAt(0, ABSENT);
  versionAt(1, ABSENT);
  writtenAt(0, STORED);
  clock.advance(TIMEOUT_MS + 10);
  assert.match(
    answers.all.join(),
    /^notEnoughReplicas 2 of 3 replicas had to answer, 1 did \(.*no answer in 1000 ms/,
  );
});

test('a write that has to wait for a timestamp goes on when there is one', () => {
  const { answers, put, timestamps, versionAt, versions, writes, writtenAt } = setUp();
  timestamps.isExhausted = true;
  put();
  versionAt(0, ABSENT);
  versionAt(1, ABSENT);
  assert.deepEqual(writes(), []);
  timestamps.isExhausted = false;
  timestamps.reserved(null);
  assert.equal(versions().length, 3);
  writtenAt(0, STORED);
  writtenAt(1, STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('replicas that answer inside the calls are asked for their versions once', () => {
  const replicas = new FakeReplicas(viewOfNodes(3), ({ isOfVersion, reply }) =>
    reply(isOfVersion ? ABSENT : STORED),
  );
  const { coordinator, settled } = setUpCoordinator(replicas);
  const answers = new Answers();
  coordinator.put(KEY, VALUE, LINEARIZABLE, answers);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(replicas.asked.length, 6);
  assert.equal(settled.length, 1);
});

test('a call that throws in either phase is a failed request', () => {
  for (const throwsOfVersion of [true, false]) {
    const replicas = new FakeReplicas(viewOfNodes(3), ({ isOfVersion, reply }) => {
      if (isOfVersion === throwsOfVersion) throw new Error('no memory');
      reply(ABSENT);
    });
    const { coordinator, settled } = setUpCoordinator(replicas);
    const answers = new Answers();
    coordinator.put(KEY, VALUE, LINEARIZABLE, answers);
    assert.deepEqual(answers.all, ['failed The request could not be sent: no memory']);
    assert.equal(settled.length, 1);
  }
});

test('a node that stops answers, and writes nothing after that', () => {
  const { answers, coordinator, put, settled, versionAt, writes } = setUp();
  put();
  versionAt(0, ABSENT);
  coordinator.close();
  assert.deepEqual(answers.all, ['overloaded This node is stopping.']);
  versionAt(1, ABSENT);
  assert.deepEqual(writes(), []);
  assert.equal(settled.length, 1);
});

test('requests whose quorums need not overlap cannot be linearizable', () => {
  for (const [ack, from] of [
    [1, 2],
    [1, 3],
    [2, 4],
  ]) {
    const { answers, asked, coordinator } = setUp('parallel', 4);
    const options = requestOptions({ ack, from, consistency: Consistency.linearizable });
    coordinator.get(KEY, options, answers);
    coordinator.put(KEY, VALUE, options, answers);
    coordinator.delete(KEY, options, answers);
    const sentence = `badRequest consistency=linearizable needs ack above half of from, so that all such requests have a replica in common: ack is ${ack}, from is ${from}`;
    assert.deepEqual(answers.all, [sentence, sentence, sentence]);
    assert.deepEqual(asked, []);
  }
});

test('a linearizable read writes back, whatever the node is set to', () => {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, false);
  const answers = new Answers();
  coordinator.get(KEY, LINEARIZABLE, answers);
  replicas.asked[0].reply(found(5, 'new'));
  replicas.asked[1].reply(found(4, 'old'));
  assert.deepEqual(answers.all, []);
  replicas.asked.at(-1)?.reply(STORED);
  assert.deepEqual(answers.all, ['ok new']);
});

test('a read says with repair=async that it is not to wait', () => {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const answers = new Answers();
  coordinator.get(KEY, requestOptions({ repair: 'async' }), answers);
  replicas.asked[0].reply(found(5, 'new'));
  replicas.asked[1].reply(found(4, 'old'));
  assert.deepEqual(answers.all, ['ok new']);
  assert.equal(replicas.asked.length, 3);
});

describe('conditional', () => {
  const V5 = { timestamp: 5, writer: 1 };
  const expired = found(5, 'gone', { expiryMs: 1 });
  const deleted = found(5, '', { tombstone: true });
  const cases: [what: string, condition: Partial<RequestCondition>, has: ReplicaReply, isMet: boolean][] = [
    ['the version it names', { ifMatch: [V5] }, found(5, 'v'), true],
    ['one of the versions it names', { ifMatch: [{ timestamp: 4, writer: 1 }, V5] }, found(5, 'v'), true],
    ['a later version', { ifMatch: [V5] }, found(6, 'v'), false],
    ['the same time of another writer', { ifMatch: [{ timestamp: 5, writer: 2 }] }, found(5, 'v'), false],
    ['no value', { ifMatch: [V5] }, ABSENT, false],
    ['any value', { ifMatch: 'any' }, found(6, 'v'), true],
    ['any value, and there is none', { ifMatch: 'any' }, ABSENT, false],
    ['any value, and it is deleted', { ifMatch: 'any' }, deleted, false],
    ['any value, and it has expired', { ifMatch: 'any' }, expired, false],
    ['none, and there is one', { ifNoneMatch: 'any' }, found(5, 'v'), false],
    ['none', { ifNoneMatch: 'any' }, ABSENT, true],
    ['none, and it is deleted', { ifNoneMatch: 'any' }, deleted, true],
    ['none, and it has expired', { ifNoneMatch: 'any' }, expired, true],
    ['another version', { ifNoneMatch: [V5] }, found(6, 'v'), true],
  ];
  for (const [what, condition, has, isMet] of cases) {
    test(`the key must have ${what}: ${isMet ? 'written' : 'refused'}`, () => {
      const { answers, put, versionAt, writes, writtenAt } = setUp();
      put(conditional(condition));
      // The newest of the answers counts.
      versionAt(0, has === ABSENT ? ABSENT : found(3, 'old'));
      versionAt(1, has);
      writtenAt(0, STORED);
      writtenAt(1, STORED);
      const isThere = has !== ABSENT && has !== deleted && has !== expired;
      const unmet = isThere
        ? 'conditionFailed The value of the key is not one that the condition allows: nothing was written.'
        : 'conditionFailed The key has no value, and the condition asks for one: nothing was written.';
      assert.deepEqual(answers.all, [isMet ? 'ok' : unmet]);
      assert.equal(writes().length, isMet ? 3 : 0);
    });
  }

  test('the refusal tells the version that is there', () => {
    const { answers, put, settled, versionAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(2, found(6, 'v'));
    versionAt(1, found(5, 'v'));
    assert.deepEqual(answers.versions, ['6 by 1']);
    versionAt(0, ABSENT);
    assert.equal(settled.length, 1);
  });

  test('a write that comes in between is not overwritten: where it must be read, the condition has failed', () => {
    const { answers, put, versionAt, writes, writtenAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(0, found(5, 'v'));
    versionAt(1, found(5, 'v'));
    writtenAt(0, STORED);
    writtenAt(1, stale(600));
    assert.deepEqual(answers.all, []);
    writtenAt(2, stale(500));
    assert.deepEqual(answers.all, [
      'conditionFailed The value of the key met the condition, but another write came before this one.',
    ]);
    assert.deepEqual(answers.versions, ['600 by 1']);
    assert.equal(writes().length, 3);
  });

  test('where a replica failed it is not known which of the two will be read', () => {
    const { answers, put, versionAt, writtenAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(0, found(5, 'v'));
    versionAt(1, found(5, 'v'));
    writtenAt(0, DOWN);
    writtenAt(1, stale(600));
    assert.deepEqual(answers.all, [], 'the third may say that it has the newer one, too');
    writtenAt(2, STORED);
    assert.match(answers.all.join(), /^notEnoughReplicas 2 of 3 replicas had to answer, 0 did/);
  });

  test('where a replica failed, and as many as must answer have a newer version, the condition has failed', () => {
    const { answers, put, versionAt, writtenAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(0, found(5, 'v'));
    versionAt(1, found(5, 'v'));
    writtenAt(0, DOWN);
    writtenAt(1, stale(600));
    writtenAt(2, stale(600));
    assert.match(answers.all.join(), /^conditionFailed/);
  });

  test('a write that all have to answer has failed its condition when all have a newer version: one could be read alone', () => {
    for (const isStored of [true, false]) {
      const { answers, put, versionAt, writtenAt } = setUp();
      put(requestOptions({ ack: 3, from: 3, condition: { ifMatch: [V5], ifNoneMatch: null } }));
      for (const position of [0, 1, 2]) versionAt(position, found(5, 'v'));
      writtenAt(0, stale(600));
      writtenAt(1, stale(600));
      assert.deepEqual(answers.all, []);
      writtenAt(2, isStored ? STORED : stale(600));
      assert.match(answers.all.join(), isStored ? /^notEnoughReplicas/ : /^conditionFailed/);
    }
  });

  test('a write that is overtaken waits for the others until its deadline', () => {
    const { answers, clock, put, settled, versionAt, writtenAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(0, found(5, 'v'));
    versionAt(1, found(5, 'v'));
    writtenAt(0, DOWN);
    writtenAt(1, stale(600));
    clock.advance(TIMEOUT_MS + 10);
    assert.match(answers.all.join(), /^notEnoughReplicas/);
    writtenAt(2, failed(FailureCode.timedOut, 'no answer in time'));
    assert.equal(settled.length, 1);
  });

  test('a replica with a newer version does not keep it from succeeding at others', () => {
    const { answers, put, settled, versionAt, writtenAt } = setUp();
    put(conditional({ ifMatch: [V5] }));
    versionAt(0, found(5, 'v'));
    versionAt(1, found(5, 'v'));
    writtenAt(0, stale(600));
    writtenAt(1, STORED);
    writtenAt(2, STORED);
    assert.deepEqual(answers.all, ['ok']);
    assert.equal(settled[0].isConflict, true);
  });

  test('so old a version that is settled is no other write', () => {
    const { answers, put, versionAt, writtenAt } = setUp();
    put(conditional({ ifNoneMatch: 'any' }));
    versionAt(0, ABSENT);
    versionAt(1, ABSENT);
    writtenAt(0, stale(900, SETTLED_WRITER));
    writtenAt(1, stale(900, SETTLED_WRITER));
    assert.match(answers.all.join(), /^notEnoughReplicas/);
  });
});

test('a conflict is a write that is acknowledged although it has met a newer version', () => {
  const { answers, coordinator, settled, writes } = setUp();
  const options = requestOptions({ ack: 2, from: 3 });
  // Overtaken, it is sent again and wins: that is none.
  coordinator.put(KEY, VALUE, options, answers);
  for (const { reply } of writes().slice(0, 2)) reply(stale(500));
  for (const { reply } of writes().slice(3)) reply(STORED);
  // One that has met it at a replica that was not needed.
  coordinator.put(KEY, VALUE, options, answers);
  writes()[6].reply(stale(900));
  for (const { reply } of writes().slice(7)) reply(STORED);
  // Said after the answer: the newer one may have begun after it.
  coordinator.put(KEY, VALUE, options, answers);
  for (const { reply } of writes().slice(9, 11)) reply(STORED);
  writes()[11].reply(stale(2_000));
  assert.deepEqual(answers.all, ['ok', 'ok', 'ok']);
  assert.deepEqual(
    settled.map(({ isConflict }) => isConflict),
    [false, true, false],
  );
});
