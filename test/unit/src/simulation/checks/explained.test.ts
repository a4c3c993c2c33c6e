import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ExplainedQuestion, Explanation } from '../../../../../src/explanation.ts';
import { checkExplained } from '../../../../../src/simulation/checks/explained.ts';
import type { Observation } from '../../../../../src/simulation/history.ts';
import { HistoryByHand } from '../../../../support/histories.ts';

const NODES = ['n1', 'n2', 'n3'];

function question(position: number, told: Partial<ExplainedQuestion>): ExplainedQuestion {
  return {
    node: NODES[position],
    position,
    kind: 'read',
    cause: 'first',
    askedAfterMs: 0,
    answeredAfterMs: 1,
    answer: null,
    timestamp: 0,
    writer: 0,
    expiryMs: 0,
    failure: '',
    reason: '',
    ...told,
  };
}

function explained(
  one: Observation,
  questions: readonly ExplainedQuestion[],
  told: Partial<Explanation> = {},
): string[] {
  const explanation = {
    ack: 2,
    from: 3,
    waitedMs: 0,
    answeredAfterMs: 1,
    isSettled: true,
    valueBytes: null,
    replicas: [],
    questions,
    unlisted: 0,
    ...told,
  };
  const run = new HistoryByHand();
  const observations = [{ ...one, explanation }];
  return checkExplained({ ...run.history, observations }, (machine) => NODES.indexOf(machine)).map(
    ({ sentence }) => sentence,
  );
}

describe('explanations fit the answers', () => {
  const run = new HistoryByHand();
  const put = run.put(5, { isExplained: true });
  const get = run.get(put, { isExplained: true });
  const value = { answer: 'value', timestamp: 5, writer: 1 } as const;
  const stored = { kind: 'write', answer: 'stored', timestamp: 5, writer: 1 } as const;

  test('`ack` nodes have answered a read, and one of them with what it found', () => {
    assert.deepEqual(explained(get, [question(0, value), question(2, { answer: 'nothing' })]), []);
    assert.match(explained(get, [question(0, value), question(0, value)])[0], /is answered by 1 nodes/);
    assert.match(explained(get, [question(0, value), question(1, { answer: 'failed' })])[0], /by 1 nodes/);
    const older = { ...value, timestamp: 4 };
    assert.match(explained(get, [question(0, older), question(1, older)])[0], /that nobody has told/);
    const incomplete = question(2, { ...value, answer: 'incomplete' });
    assert.deepEqual(explained(get, [question(0, older), question(1, older), incomplete]), []);
    assert.match(explained(get, [question(0, older), incomplete])[0], /by 1 nodes/);
  });

  test('`ack` nodes have stored a write, or something newer', () => {
    assert.deepEqual(explained(put, [question(0, stored), question(1, stored)]), []);
    assert.deepEqual(
      explained(put, [question(0, stored), question(1, { ...stored, answer: 'newer', timestamp: 6 })]),
      [],
    );
    for (const other of [{ ...stored, timestamp: 4 }, { ...stored, answer: 'newer', timestamp: 4 } as const])
      assert.match(explained(put, [question(0, stored), question(1, other)])[0], /by 1 nodes/);
  });

  test('only owners are asked, and as many as was said', () => {
    const all = [question(0, value), question(1, value)];
    assert.match(explained(get, [...all, question(2, { node: 'n1' })])[0], /has asked n1 as owner 2/);
    assert.match(explained(get, all, { ack: 1 })[0], /as one with 1\/3/);
    assert.deepEqual(explained(get, all.slice(1), { unlisted: 1 }), []);
  });

  test('what was to be explained is, and nothing else', () => {
    assert.match(
      checkExplained({ ...run.history, observations: [get] }, () => 0)[0].sentence,
      /is not explained/,
    );
    assert.equal(explained(run.get(put), [question(0, value), question(1, value)]).length, 1);
  });
});
