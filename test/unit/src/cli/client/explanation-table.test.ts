import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeExplanation } from '../../../../../src/cli/client/explanation-table.ts';

const QUESTION = { node: 'n1', kind: 'read', cause: 'first', failure: '', reason: '', etag: '"1-2"' };

test('a request is a table of who was asked, with a line for its time', () => {
  const text = describeExplanation({
    method: 'GET',
    status: 200,
    reason: '',
    etag: '"1-2"',
    valueBytes: 5,
    livesMs: 90_400,
    consistency: 'default',
    ack: 2,
    from: 3,
    waitedMs: 1.5,
    answeredAfterMs: 8,
    isSettled: true,
    unlisted: 0,
    questions: [
      { ...QUESTION, askedAfterMs: 0, answeredAfterMs: 8, answer: 'value' },
      {
        ...QUESTION,
        node: 'node-2',
        askedAfterMs: 4,
        answeredAfterMs: 6,
        answer: 'failed',
        failure: 'OVERLOADED',
        reason: 'too much',
        cause: 'hedge',
        etag: null,
      },
      { ...QUESTION, askedAfterMs: 4, answeredAfterMs: null, answer: null, etag: null },
    ],
    replicas: [
      { node: 'n1', state: 'current', followUps: [] },
      { node: 'node-2', state: 'stale', followUps: ['repair', 'hint', 'else'] },
      { node: 'n3', state: null, followUps: [] },
    ],
  });
  assert.equal(
    text,
    `GET 200  value of 5B  ETag "1-2"  lives 90.4 s
ack 2 of from 3, consistency default, answered after 8.00 ms, waited 1.50 ms before

node    asked  why    at       took     said                          version  time line
n1      read   first  0.00 ms  8.00 ms  value                         "1-2"    ===============================>
node-2  read   hedge  4.00 ms  2.00 ms  failed: OVERLOADED: too much  -                        ========>
n1      read   first  4.00 ms  -        nothing yet                   -                        ????????????????

n1: current
node-2: stale, gets the newest version in the background, gets it when it is back, else
n3: not waited for`,
  );
});

test('what failed says why, and what is unknown or missing does no harm', () => {
  const text = describeExplanation({
    method: 'PUT',
    status: 504,
    reason: 'too few',
    unlisted: 3,
    isSettled: false,
    questions: [{}],
  });
  assert.match(text, /^PUT 504 {2}too few\n/);
  assert.match(text, /not all had answered when the time was over/);
  assert.match(text, /\nand 3 more\n/);
  assert.ok(describeExplanation({}).length > 0);
});
