/** A value that expires, as coordinators with different times see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodeRecord,
  isTombstone,
  recordExpiryMs,
  recordWriter,
  timestampMs,
} from '../../../../native-free-lsm/index.ts';
import { Outcome } from '../../../../src/outcome.ts';
import { found as foundRecord, metNewer, STORED } from '../../../../src/reply.ts';
import { Consistency, quorumOptions, requestOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  FRESH_MS,
  found,
  KEY,
  setUpCoordinator,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas, type Question } from '../../../support/fake-replicas.ts';

const TIMESTAMP = 500;
const WRITER = 6;

function valueUntil(expiryMs: number): Uint8Array {
  return encodeRecord({ timestamp: TIMESTAMP, writer: WRITER, from: 3, tombstone: false, expiryMs }, VALUE);
}

/** Coordinators over the same three replicas, whose own times are apart. */
class Nodes {
  readonly stored: (Uint8Array | null)[] = [null, null, null];
  /** Replicas that answer. */
  readonly up = new Set([0, 1, 2]);

  coordinator(aheadMs: number) {
    const replicas = new FakeReplicas(viewOfNodes(3), (question) => this.#onQuestion(question));
    const made = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
    made.clock.setWallMs(made.clock.nowMs() + aheadMs);
    return made;
  }

  #onQuestion(question: Question): void {
    if (!this.up.has(question.node)) return;
    const { record } = question;
    if (record !== null) {
      this.stored[question.node] = Buffer.from(record);
      question.reply(STORED);
      return;
    }
    const held = this.stored[question.node];
    if (held !== null) question.reply(foundRecord(held));
  }
}

test('a value once gone for one node is not seen again by another, whose time is behind, when their quorums overlap', () => {
  const nodes = new Nodes();
  const ahead = nodes.coordinator(400);
  const behind = nodes.coordinator(-400);
  const expiryMs = behind.clock.nowMs() + 500;
  const record = valueUntil(expiryMs);
  nodes.stored.fill(record);
  const read = ({ coordinator }: typeof ahead): string => {
    const answers = new Answers();
    coordinator.get(KEY, quorumOptions(2, 3), answers);
    return answers.all.join();
  };
  assert.equal(read(behind), 'ok value');
  // Of the three, two hear of it; the next read meets at least one of them.
  nodes.up.delete(2);
  assert.equal(read(ahead), 'notFound');
  assert.deepEqual(
    nodes.stored.map((held) => held !== null && isTombstone(held, 0)),
    [true, true, false],
  );
  nodes.up.add(2);
  nodes.up.delete(0);
  assert.equal(read(behind), 'notFound');
});

test('what expired long ago, or is brought to others after the answer, costs a read no write', () => {
  for (const [overdueMs, repair, writes] of [
    [0, 'write-back', 2],
    [FRESH_MS - 1, 'write-back', 2],
    [FRESH_MS, 'write-back', 0],
    [0, 'async', 0],
    [-1, 'write-back', 0],
  ] as const) {
    const replicas = new FakeReplicas(viewOfNodes(3));
    const { clock, coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
    const answers = new Answers();
    coordinator.get(KEY, requestOptions({ ack: 2, from: 3, repair }), answers);
    const reply = foundRecord(valueUntil(clock.nowMs() - overdueMs));
    for (const question of replicas.asked.slice(0, 2)) question.reply(reply);
    assert.equal(
      replicas.asked.filter(({ record }) => record !== null).length,
      writes,
      `${overdueMs} ${repair}`,
    );
  }
});

test('a replica that has a newer write keeps it, and counts', () => {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { clock, coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const answers = new Answers();
  coordinator.get(KEY, quorumOptions(2, 3), answers);
  const value = valueUntil(clock.nowMs() - 1);
  for (const question of replicas.asked.slice(0, 2)) question.reply(foundRecord(value));
  const writes = replicas.asked.filter(({ record }) => record !== null);
  assert.equal(recordWriter(writes[0].record!, 0), WRITER + 1);
  const newer = { timestamp: TIMESTAMP + 1, writer: 2, from: 3, tombstone: false, expiryMs: 0 };
  writes[0].reply(metNewer(encodeRecord(newer, new Uint8Array(0))));
  writes[1].reply(STORED);
  assert.deepEqual(answers.all, ['notFound']);
});

test('a value that expires while a read waits for replicas is still answered: a newer one may have taken its place before', () => {
  for (const consistency of [Consistency.default, Consistency.linearizable]) {
    const replicas = new FakeReplicas(viewOfNodes(3));
    const { clock, coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
    const expiryMs = clock.nowMs() + 50;
    const answers = new Answers();
    coordinator.get(KEY, requestOptions({ ack: 2, from: 3, consistency }), answers);
    // Read before a PUT that is acknowledged by the two others; the second answer is held up until the value has expired.
    replicas.asked[0].reply(foundRecord(valueUntil(expiryMs)));
    clock.advance(60);
    replicas.asked[1].reply(foundRecord(valueUntil(expiryMs)));
    assert.deepEqual(answers.all, ['ok value']);
    // One that begins now finds that it is gone, and says so once two replicas have that from it.
    coordinator.get(KEY, requestOptions({ ack: 2, from: 3, consistency }), answers);
    for (const question of replicas.asked.slice(3, 5)) question.reply(foundRecord(valueUntil(expiryMs)));
    for (const question of replicas.asked.slice(6)) question.reply(STORED);
    assert.equal(answers.all[1], 'notFound');
  }
});

test('a value that expires while it is brought to others is still answered, with nothing left of its life', () => {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { clock, coordinator } = setUpCoordinator(replicas, undefined, 'parallel', {}, true);
  const lives: number[] = [];
  coordinator.get(KEY, quorumOptions(2, 3), {
    onLargeValue: () => undefined,
    onOutcome: (outcome, _value, _reason, _timestamp, _writer, livesMs) => {
      assert.equal(outcome, Outcome.ok);
      lives.push(livesMs);
    },
  });
  replicas.asked[0].reply(found(TIMESTAMP, 'value', { expiryMs: clock.nowMs() + 50 }));
  replicas.asked[1].reply(found(TIMESTAMP - 1, 'old'));
  clock.advance(60);
  replicas.asked.find(({ record }) => record !== null)?.reply(STORED);
  assert.deepEqual(lives, [1]);
});

test('a PUT with a life writes when it ends: its version and so much; the next one without clears it', () => {
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { coordinator } = setUpCoordinator(replicas);
  coordinator.put(KEY, VALUE, requestOptions({ ttlMs: 90_000 }), new Answers());
  const [first] = replicas.asked;
  assert.equal(recordExpiryMs(first.record!, 0), timestampMs(101) + 90_000);
  coordinator.put(KEY, VALUE, quorumOptions(0, 0), new Answers());
  assert.equal(recordExpiryMs(replicas.asked[3].record!, 0), 0);
});
