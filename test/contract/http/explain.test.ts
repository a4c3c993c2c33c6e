import assert from 'node:assert/strict';
import { test } from 'node:test';
import { versionTag } from '../../../src/http/entity-tag.ts';
import { Outcome } from '../../../src/outcome.ts';
import { type EntityCall, Harness, request } from './harness.ts';

const QUESTION = {
  node: 'n1',
  position: 0,
  kind: 'read',
  cause: 'first',
  askedAfterMs: 0.00012,
  answeredAfterMs: 1.5004,
  answer: 'value',
  timestamp: 0x123,
  writer: 0x45,
  expiryMs: 0,
  failure: '',
  reason: '',
} as const;

/** Answers with an explanation, as a coordinator does. */
function explain(outcome: Outcome, value: string | null): (call: EntityCall) => void {
  return ({ options, reply }) => {
    assert.ok(options.explain !== null);
    options.explain.explanation = {
      ack: 1,
      from: 1,
      waitedMs: 0,
      answeredAfterMs: 1.6,
      isSettled: true,
      valueBytes: value === null ? null : Buffer.byteLength(value),
      replicas: [{ node: 'n1', position: 0, state: 'current', followUps: ['repair'] }],
      questions: [
        QUESTION,
        { ...QUESTION, answeredAfterMs: null, answer: null, timestamp: 0, writer: 0, expiryMs: 9e15 },
      ],
      unlisted: 0,
    };
    const isThere = outcome === Outcome.ok;
    reply.onOutcome(outcome, null, isThere ? '' : 'why', 0x123, 0x45, isThere ? 1_500 : 0);
  };
}

test('explain=1 answers JSON in the place of the value, under the status of the request', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  const tag = versionTag(0x123, 0x45);
  const cases = [
    ['GET', Outcome.ok, 200],
    ['GET', Outcome.notFound, 404],
    ['GET', Outcome.notEnoughReplicas, 504],
    ['PUT', Outcome.ok, 201],
    ['PUT', Outcome.conditionFailed, 412],
    ['DELETE', Outcome.ok, 202],
    ['DELETE', Outcome.overloaded, 503],
  ] as const;
  for (const [method, outcome, status] of cases) {
    harness.entities.behaviour = explain(
      outcome,
      method === 'GET' && outcome === Outcome.ok ? 'value' : null,
    );
    const answer = await client.send(request(method, '/v0/entity?id=k&explain=1')).answer();
    assert.equal(answer.status, status);
    if (status === 504) assert.equal(answer.phrase, 'Not Enough Replicas');
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('retry-after'), status === 503 ? '1' : undefined);
    const body = JSON.parse(answer.body.toString());
    assert.deepEqual(
      [body.method, body.status, body.etag, body.valueBytes, body.livesMs, body.consistency, body.isSettled],
      [
        method,
        status,
        tag,
        status === 200 ? 5 : null,
        outcome === Outcome.ok ? 1_500 : null,
        'default',
        true,
      ],
    );
    const [first, second] = body.questions;
    assert.deepEqual([first.askedAfterMs, first.answeredAfterMs, first.etag], [0, 1.5, tag]);
    assert.deepEqual(
      [second.answeredAfterMs, second.etag, second.writtenAt, second.expiresAt],
      [null, null, null, '9000000000000000'],
    );
    assert.deepEqual(body.replicas, [{ node: 'n1', position: 0, state: 'current', followUps: ['repair'] }]);
  }
  assert.ok(harness.isIdle);
});

test('a value that the client has is explained as well, and one that it must not have is a 412', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  harness.entities.behaviour = explain(Outcome.ok, 'value');
  for (const [header, status, explained, reason] of [
    ['If-None-Match: *', 200, 304, ''],
    ['If-Match: *', 200, 200, ''],
    ['If-Match: "x"', 412, 412, 'The value of the key is not one that the condition allows.'],
  ] as const) {
    const answer = await client.send(request('GET', '/v0/entity?id=k&explain=1', header)).answer();
    assert.equal(answer.status, status, header);
    const body = JSON.parse(answer.body.toString());
    assert.deepEqual([body.status, body.reason], [explained, reason]);
  }
});

test('what is refused before it is begun has nothing to explain', async () => {
  await using harness = await Harness.start();
  using client = await harness.connect();
  harness.entities.behaviour = ({ reply }) =>
    reply.onOutcome(Outcome.badRequest, null, 'ack is wrong', 0, 0, 0);
  const answer = await client.send(request('GET', '/v0/entity?id=k&explain=1')).answer();
  assert.deepEqual([answer.status, answer.body.toString()], [400, 'ack is wrong\n']);
  for (const word of ['', '2', 'yes', '1&explain=1'])
    assert.equal(
      (await client.send(request('GET', `/v0/entity?id=k&explain=${word}`)).answer()).status,
      400,
      word,
    );
  harness.entities.behaviour = null;
  assert.equal((await client.send(request('GET', '/v0/entity?id=k&explain=0')).answer()).status, 404);
});
