import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isTombstone,
  recordFrom,
  recordTimestamp,
  recordValueStart,
  recordWriter,
} from '../../../../native-free-lsm/index.ts';
import { ClusterView } from '../../../../src/cluster/cluster-view.ts';
import { MAX_REPLICAS } from '../../../../src/cluster/placement.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { ABSENT, failed, found as foundRecord, incomplete, STORED } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import { FakeClock } from '../../../../src/simulation/fake-clock.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  setUpWaiting,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';

test('a put sends one record to the first `from` nodes of the list and answers at the ack-th', () => {
  const { coordinator, asked, answers, preferred } = setUpWaiting(5);
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  assert.deepEqual(
    asked.map(({ node, position }) => [node, position]),
    preferred.slice(0, 3).map((node, i) => [node, i]),
  );
  const record = asked[0].record!;
  for (const question of asked) assert.equal(question.record, record, 'encoded once');
  assert.deepEqual(Buffer.from(asked[0].key), KEY);
  assert.equal(recordTimestamp(record, 0), 101);
  assert.equal(recordWriter(record, 0), 7);
  assert.equal(recordFrom(record, 0), 3);
  assert.equal(isTombstone(record, 0), false);
  assert.equal(Buffer.from(record.subarray(recordValueStart(record, 0))).toString(), 'value');
  asked[2].reply(STORED);
  assert.deepEqual(answers.all, []);
  asked[0].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  asked[1].reply(failed(FailureCode.timedOut, 'late'));
  assert.deepEqual(answers.all, ['ok']);
});

test('a delete puts a tombstone', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.delete(KEY, quorumOptions(0, 0), answers);
  const record = asked[0].record!;
  assert.equal(isTombstone(record, 0), true);
  assert.equal(recordValueStart(record, 0), record.length);
  for (const question of asked) question.reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('a get answers with the freshest of ack answers, whatever arrives later', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  assert.ok(asked.every((question) => question.record === null && question.key === KEY));
  asked[0].reply(found(5, 'older'));
  asked[1].reply(found(6, 'newer'));
  asked[2].reply(found(7, 'newest, but late'));
  assert.deepEqual(answers.all, ['ok newer']);
});

test('a get that finds no value is not found', () => {
  const clock = new FakeClock();
  const replies = {
    'never written': ABSENT,
    deleted: found(9, '', { tombstone: true }),
    expired: found(9, 'gone', { expiryMs: clock.nowMs() }),
  };
  for (const [what, reply] of Object.entries(replies)) {
    const { coordinator, asked, answers } = setUpWaiting();
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    asked[0].reply(ABSENT);
    asked[1].reply(reply);
    assert.deepEqual(answers.all, ['notFound'], what);
  }
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  asked[0].reply(found(9, 'still there', { expiryMs: clock.nowMs() + 1 }));
  assert.deepEqual(answers.all, ['ok still there']);
});

test('an empty value is a value', () => {
  const { coordinator, asked } = setUpWaiting();
  const values: unknown[] = [];
  coordinator.get(KEY, quorumOptions(1, 3), {
    onLargeValue: () => undefined,
    onOutcome: (outcome, value) => void values.push(outcome, value?.length),
  });
  asked[0].reply(found(9, ''));
  assert.deepEqual(values, [Outcome.ok, 0]);
});

test('when ack is out of reach, the request fails at once and says who did not answer, and why', () => {
  const { coordinator, asked, answers, ids } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(STORED);
  asked[1].reply(failed(FailureCode.peerUnavailable, 'down'));
  assert.deepEqual(answers.all, []);
  asked[2].reply(failed(FailureCode.noSpace, 'its disk is full'));
  const why = `${ids[1]}: down; ${ids[2]}: its disk is full`;
  assert.deepEqual(answers.all, [`notEnoughReplicas 2 of 3 replicas had to answer, 1 did (${why}).`]);
});

test('a replica that has not answered yet is named too', () => {
  const { coordinator, asked, answers, ids } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  asked[1].reply(incomplete(null));
  const why = `${ids[0]}: no answer yet; ${ids[1]}: its data is not whole; ${ids[2]}: no answer yet`;
  assert.deepEqual(answers.all, [`notEnoughReplicas 3 of 3 replicas had to answer, 0 did (${why}).`]);
});

test('at the deadline it fails, once', () => {
  const { coordinator, asked, answers, clock, ids } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  asked[0].reply(STORED);
  asked[1].reply(STORED);
  clock.advance(TIMEOUT_MS - 1);
  assert.deepEqual(answers.all, []);
  clock.advance(11);
  const expected = `notEnoughReplicas 3 of 3 replicas had to answer, 2 did (${ids[2]}: no answer in 1000 ms).`;
  assert.deepEqual(answers.all, [expected]);
  asked[2].reply(STORED);
  clock.advance(5 * TIMEOUT_MS);
  assert.deepEqual(answers.all, [expected]);
  assert.equal(clock.pendingTimers, 0);
});

test('a replica that sends no record for one has failed', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 1), answers);
  const damaged = Buffer.from(found(9, 'value').record!);
  damaged[0] = 99;
  asked[0].reply(foundRecord(damaged));
  assert.match(answers.all.join(), /^notEnoughReplicas .*record format 99 is unknown/);
});

test('a quorum that is not possible is refused without asking any replica', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(4, 3), answers);
  coordinator.put(KEY, VALUE, quorumOptions(1, 4), answers);
  coordinator.delete(KEY, quorumOptions(-1, 0), answers);
  assert.equal(answers.all.length, 3);
  for (const answer of answers.all) assert.match(answer, /^badRequest (ack|from) /);
  assert.equal(asked.length, 0);
});

test('a caller that is answered while replicas are still being asked may ask again: neither request loses a replica or an answer', () => {
  // Every replica answers inside the call that asks it, and whoever is answered asks again at once.
  const trace = new Map<string, number>();
  const answers = new Answers();
  let requests = 0;
  const replicas = new FakeReplicas(viewOfNodes(3), ({ key, position, record, reply }: Question) => {
    const asked = `${Buffer.from(key).toString()} at ${position}`;
    trace.set(asked, (trace.get(asked) ?? 0) + 1);
    reply(record === null ? ABSENT : STORED);
  });
  const { coordinator } = setUpCoordinator(replicas);
  const ask = (): void => {
    const key = Buffer.from(`key${++requests}`);
    if (requests % 2 === 0) coordinator.get(key, quorumOptions(1, 3), answers);
    else coordinator.put(key, VALUE, quorumOptions(1, 3), answers);
  };
  answers.next = () => {
    if (requests < 100) ask();
  };
  ask();
  assert.equal(answers.all.length, 100);
  assert.equal(trace.size, 300);
  assert.deepEqual(new Set(trace.values()), new Set([1]));
});

function timestampsOf(questions: readonly Question[]): number[] {
  return questions.map(({ record }) => recordTimestamp(record!, 0));
}

test('a write that meets too many newer versions is sent again to all with a later timestamp, and acknowledged only then', () => {
  for (const isDeletion of [false, true]) {
    const { coordinator, asked, answers } = setUpWaiting();
    if (isDeletion) coordinator.delete(KEY, quorumOptions(2, 3), answers);
    else coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
    asked[0].reply(stale(6000));
    assert.equal(asked.length, 3, 'the other two may be enough');
    asked[1].reply(stale(5000));
    assert.deepEqual(answers.all, []);
    assert.deepEqual(timestampsOf(asked), [101, 101, 101, 6001, 6001, 6001]);
    const again = asked[3].record!;
    assert.equal(isTombstone(again, 0), isDeletion);
    assert.equal(
      Buffer.from(again.subarray(recordValueStart(again, 0))).toString(),
      isDeletion ? '' : 'value',
    );
    assert.deepEqual(Buffer.from(asked[4].key), KEY);
    asked[2].reply(STORED);
    assert.deepEqual(answers.all, [], 'what was said to the first try does not count');
    asked[3].reply(STORED);
    asked[3].reply(STORED);
    assert.deepEqual(answers.all, []);
    asked[5].reply(STORED);
    assert.deepEqual(answers.all, ['ok']);
    asked[4].reply(stale(9000));
    assert.deepEqual(answers.all, ['ok']);
    coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
    assert.equal(recordTimestamp(asked[6].record!, 0), 9001, 'late words are heeded too');
  }
});

test('a version of the very same write is no newer one: a frame may come twice', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(101, 7));
  asked[1].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(asked.length, 3);
});

test('the same timestamp of another writer is another version', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(1, 1), answers);
  asked[0].reply(stale(101, 8));
  assert.deepEqual(timestampsOf(asked), [101, 102]);
  asked[1].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('where ack replicas have stored it a write is acknowledged, whatever another holds', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(200));
  asked[1].reply(STORED);
  asked[2].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(asked.length, 3);
});

test('a replica can put a write off once: what it got after its first answer came after the write had begun', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(200));
  asked[1].reply(stale(300));
  assert.deepEqual(timestampsOf(asked.slice(3)), [301, 301, 301]);
  asked[3].reply(stale(400));
  assert.deepEqual(answers.all, []);
  asked[4].reply(stale(500));
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(asked.length, 6);
});

test('a replica that answers for the first time can put off a later try too, also when its answer to the first try comes late', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  asked[0].reply(stale(200));
  assert.deepEqual(timestampsOf(asked.slice(3)), [201, 201, 201]);
  // It held that before the second try was made: the second try may be older.
  asked[1].reply(stale(1000));
  asked[4].reply(stale(1000));
  assert.deepEqual(timestampsOf(asked.slice(6)), [1001, 1001, 1001]);
  asked[6].reply(stale(2000));
  asked[7].reply(stale(2000));
  assert.deepEqual(answers.all, []);
  asked[8].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(asked.length, 9);
});

test('what is said late to a first try is known before the third', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  asked[0].reply(stale(200));
  assert.deepEqual(timestampsOf(asked.slice(3)), [201, 201, 201]);
  asked[1].reply(stale(1000));
  asked[5].reply(stale(1500));
  assert.deepEqual(timestampsOf(asked.slice(6)), [1501, 1501, 1501]);
  asked[7].reply(stale(2000));
  asked[6].reply(STORED);
  asked[8].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  assert.equal(asked.length, 9);
});

test('a race for a key ends: each replica puts a write off once', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  for (let i = 0; answers.all.length === 0; i++) asked[i].reply(stale(1000 * (i + 1)));
  assert.deepEqual(answers.all, ['ok']);
  assert.ok(asked.length <= 12, `${asked.length} questions`);
});

test('replicas that answer inside the call are sent the next try after the last one is sent to all', () => {
  const answers = new Answers();
  const trace: string[] = [];
  const replicas = new FakeReplicas(viewOfNodes(3), ({ position, record, reply }) => {
    const timestamp = recordTimestamp(record!, 0);
    trace.push(`${timestamp} to ${position}`);
    reply(position === 1 && timestamp < 200 ? stale(timestamp + 99) : STORED);
  });
  const { coordinator } = setUpCoordinator(replicas);
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  assert.deepEqual(answers.all, ['ok']);
  assert.deepEqual(
    trace,
    [101, 201].flatMap((timestamp) => [0, 1, 2].map((position) => `${timestamp} to ${position}`)),
  );
});

test('a version too far ahead to be followed is a failure of its replica', () => {
  const { coordinator, asked, answers, ids, timestamps } = setUpWaiting();
  timestamps.limit = 4000;
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(5000));
  assert.equal(asked.length, 3);
  asked[1].reply(stale(5000));
  const ahead = "it holds a version too far ahead of this node's clock";
  const why = `${ids[0]}: ${ahead}; ${ids[1]}: ${ahead}; ${ids[2]}: no answer yet`;
  assert.deepEqual(answers.all, [`notEnoughReplicas 2 of 3 replicas had to answer, 0 did (${why}).`]);
});

test('a try after the first waits for a timestamp, has only the time that is left, and keeps to the deadline', () => {
  const { coordinator, asked, answers, timestamps, clock } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  clock.advance(400);
  timestamps.isExhausted = true;
  asked[0].reply(stale(5000));
  asked[1].reply(stale(5000));
  asked[2].reply(stale(5000));
  assert.equal(timestamps.waiting.size, 1, 'once');
  timestamps.isExhausted = false;
  timestamps.reserved(null);
  assert.deepEqual(timestampsOf(asked), [101, 101, 101, 5001, 5001, 5001]);
  assert.deepEqual(
    asked.map(({ timeoutMs }) => timeoutMs),
    [1000, 1000, 1000, 600, 600, 600],
  );
  clock.advance(600);
  clock.advance(10);
  assert.match(answers.all.join(), /^notEnoughReplicas 2 of 3 .*no answer in 1000 ms/);
  assert.equal(clock.pendingTimers, 0);
});

test('a replica that stores a write whose next try is due already is not named among those that failed', () => {
  const { answers, asked, clock, coordinator, ids, timestamps } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  timestamps.isExhausted = true;
  asked[0].reply(stale(5000));
  asked[1].reply(stale(6000));
  asked[2].reply(STORED);
  clock.advance(TIMEOUT_MS + 10);
  const why = `${ids[0]}: it holds a newer version; ${ids[1]}: it holds a newer version`;
  assert.deepEqual(answers.all, [`notEnoughReplicas 2 of 3 replicas had to answer, 0 did (${why}).`]);
});

test('a write that may be stored already is not called overloaded when there is no timestamp for the next try', () => {
  const { coordinator, asked, answers, timestamps } = setUpWaiting();
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  timestamps.isExhausted = true;
  asked[0].reply(stale(5000));
  asked[1].reply(stale(5000));
  timestamps.reserved(new Error('the disk is full'));
  assert.match(answers.all.join(), /^notEnoughReplicas .*timestamp.*the disk is full/);
});

test('a write after a read of a version has a later timestamp', () => {
  const { coordinator, asked, answers } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(found(7000, 'old'));
  asked[1].reply(found(8000, 'new'));
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  assert.equal(recordTimestamp(asked[3].record!, 0), 8001);
});

test('a replica set that throws fails the request, once', () => {
  const answers = new Answers();
  const replicas = new FakeReplicas(viewOfNodes(3), (question) => {
    question.reply(ABSENT);
    if (question.position === 1) throw new Error('the engine is closed');
  });
  const { coordinator, clock } = setUpCoordinator(replicas);
  coordinator.get(KEY, quorumOptions(3, 3), answers);
  clock.advance(2 * TIMEOUT_MS);
  assert.deepEqual(answers.all, ['failed The request could not be sent: the engine is closed']);
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  assert.equal(answers.all.length, 2);
  assert.equal(answers.all[1], 'notFound', 'it was decided before');
});

test('a write waits for a timestamp, as often as it has to, and its replicas get what is left of its time', () => {
  const { coordinator, asked, answers, clock, timestamps } = setUpWaiting();
  timestamps.isExhausted = true;
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  timestamps.reserved(null);
  assert.equal(timestamps.waiting.size, 1, 'waits again');
  assert.equal(asked.length, 0);
  clock.advance(900);
  timestamps.isExhausted = false;
  timestamps.reserved(null);
  assert.deepEqual(
    asked.map(({ timeoutMs }) => timeoutMs),
    [100, 100, 100],
  );
  assert.equal(recordTimestamp(asked[0].record!, 0), 101);
  asked[0].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('a write that waits in vain for a timestamp is told that the node is overloaded', () => {
  const failing = setUpWaiting();
  failing.timestamps.isExhausted = true;
  failing.coordinator.put(KEY, VALUE, quorumOptions(1, 3), failing.answers);
  failing.timestamps.reserved(new Error('the disk is full'));
  assert.match(failing.answers.all.join(), /^overloaded .*timestamp.*the disk is full/);

  const hanging = setUpWaiting();
  hanging.timestamps.isExhausted = true;
  hanging.coordinator.delete(KEY, quorumOptions(1, 3), hanging.answers);
  hanging.clock.advance(TIMEOUT_MS + 10);
  assert.match(hanging.answers.all.join(), /^overloaded .*timestamp.*1000 ms/);
  hanging.timestamps.isExhausted = false;
  hanging.timestamps.reserved(null);
  assert.equal(hanging.asked.length, 0, 'a request that was answered is not sent any more');
  assert.equal(hanging.answers.all.length, 1);
});

test('a decided request waits for no timestamp, whether its deadline, replicas or the end of the node decided it', () => {
  const { coordinator, asked, answers, clock, timestamps } = setUpWaiting();
  timestamps.isExhausted = true;
  for (let i = 0; i < 100; i++) coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  assert.equal(timestamps.waiting.size, 100);
  clock.advance(TIMEOUT_MS + 10);
  assert.equal(answers.all.length, 100);
  assert.equal(timestamps.waiting.size, 0);

  timestamps.isExhausted = false;
  coordinator.put(KEY, VALUE, quorumOptions(3, 3), answers);
  timestamps.isExhausted = true;
  asked[0].reply(stale(500));
  assert.equal(timestamps.waiting.size, 1, 'for its second try');
  asked[1].reply(failed(FailureCode.peerUnavailable, 'down'));
  clock.advance(TIMEOUT_MS + 10);
  assert.equal(answers.all.length, 101);
  assert.equal(timestamps.waiting.size, 0);

  coordinator.delete(KEY, quorumOptions(1, 3), answers);
  coordinator.close();
  assert.equal(answers.all.length, 102);
  assert.equal(timestamps.waiting.size, 0);
});

test('closing answers what is under way, whether it is sent or not', () => {
  const { coordinator, asked, answers, timestamps } = setUpWaiting();
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  timestamps.isExhausted = true;
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  coordinator.close();
  assert.deepEqual(answers.all, ['overloaded This node is stopping.', 'overloaded This node is stopping.']);
  for (const question of asked) question.reply(ABSENT);
  timestamps.reserved(null);
  assert.equal(answers.all.length, 2);
});

test('only a bounded number of bytes of large records is held for further answers, and their length is told at once', () => {
  const { answers, asked, coordinator } = setUpWaiting();
  const large = 'v'.repeat(32 * 1024 * 1024 - 100);
  for (let i = 0; i < 3; i++) coordinator.get(KEY, quorumOptions(2, 3), answers);
  const questions = asked.splice(0);
  const first = questions.filter(({ position }) => position === 0);
  const second = questions[1];
  assert.equal(first.length, 3);
  first[0].reply(found(1, large));
  first[1].reply(found(1, large));
  assert.deepEqual(answers.all, []);
  assert.equal(answers.largeValues.length, 2);
  assert.ok(answers.largeValues.every((bytes) => bytes >= large.length));
  first[2].reply(found(1, large));
  assert.deepEqual(answers.all, [
    'overloaded This node holds as many bytes of answers as it may: try again later.',
  ]);
  // What is answered makes room again.
  second.reply(found(1, 'small'));
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  asked[0].reply(found(1, large));
  assert.equal(answers.all.length, 2);
});

test('all replicas that a preference list names are counted, each once', () => {
  const { coordinator, asked, answers } = setUpWaiting(MAX_REPLICAS + 8);
  coordinator.put(KEY, VALUE, quorumOptions(MAX_REPLICAS, MAX_REPLICAS), answers);
  assert.equal(new Set(asked.map(({ node }) => node)).size, MAX_REPLICAS);
  for (const { reply } of asked.slice(1)) {
    reply(STORED);
    reply(STORED);
  }
  assert.deepEqual(answers.all, []);
  asked[0].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
});

test('a request keeps to the view in which it began, the next one takes the one that is current then', () => {
  const before = new FakeReplicas(viewOfNodes(3));
  const { coordinator, cluster, ids } = setUpCoordinator(before);
  const first = new Answers();
  coordinator.put(KEY, VALUE, quorumOptions(0, 0), first);
  const after = new FakeReplicas(viewOfNodes(5, 2));
  cluster.current = after;
  const second = new Answers();
  coordinator.put(KEY, VALUE, quorumOptions(0, 0), second);
  assert.equal(before.asked.length, 3);
  assert.equal(after.asked.length, 5);

  // It is overtaken, and asks again: the same replicas, and nobody else.
  for (const { reply } of before.asked.slice(0, 2)) reply(stale(200));
  assert.equal(before.asked.length, 6);
  assert.equal(after.asked.length, 5);
  before.asked[3].reply(STORED);
  before.asked[4].reply(failed(FailureCode.peerUnavailable, 'down'));
  before.asked[5].reply(failed(FailureCode.peerUnavailable, 'gone'));
  assert.deepEqual(first.all, [
    `notEnoughReplicas 2 of 3 replicas had to answer, 1 did (${ids[1]}: down; ${ids[2]}: gone).`,
  ]);

  for (const { reply } of after.asked.slice(0, 2)) reply(STORED);
  assert.deepEqual(second.all, []);
  after.asked[2].reply(STORED);
  assert.deepEqual(second.all, ['ok']);
});

test('ack and from are bounded by the view in which a request begins', () => {
  const { coordinator, cluster } = setUpCoordinator(new FakeReplicas(viewOfNodes(3)));
  const answers = new Answers();
  coordinator.get(KEY, quorumOptions(1, 4), answers);
  cluster.current = new FakeReplicas(viewOfNodes(5, 2));
  coordinator.get(KEY, quorumOptions(1, 4), answers);
  cluster.current = new FakeReplicas(viewOfNodes(2, 3));
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  assert.deepEqual(answers.all, [
    'badRequest from is 4, but the cluster has 3 nodes',
    'badRequest from is 3, but the cluster has 2 nodes',
  ]);
});

test('a request that says no `from` has that of the topology, and `ack` follows from it', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'].map((id) => ({
    id,
    http: { host: 'h', port: 1 },
    rpc: { host: 'h', port: 2 },
    zone: 'z',
    weight: 1,
  }));
  const replicas = new FakeReplicas(new ClusterView({ cluster: 'c', placement: 'any', nodes, from: 3 }, 1));
  const { coordinator } = setUpCoordinator(replicas);
  const answers = new Answers();
  coordinator.put(KEY, VALUE, quorumOptions(0, 0), answers);
  assert.equal(replicas.asked.length, 3);
  assert.equal(recordFrom(replicas.asked[0].record!, 0), 3);
  replicas.asked[0].reply(STORED);
  assert.deepEqual(answers.all, []);
  replicas.asked[1].reply(STORED);
  assert.deepEqual(answers.all, ['ok']);
  coordinator.put(KEY, VALUE, quorumOptions(0, 5), answers);
  assert.equal(replicas.asked.length, 3 + 5);
  coordinator.get(KEY, quorumOptions(4, 0), answers);
  assert.match(answers.all.at(-1) ?? '', /^badRequest ack is 4, more than the 3 replicas/);
});
