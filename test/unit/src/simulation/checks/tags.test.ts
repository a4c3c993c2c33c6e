import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkTags } from '../../../../../src/simulation/checks/tags.ts';
import { PlannedCondition } from '../../../../../src/simulation/plan/plan.ts';
import { HistoryByHand } from '../../../../support/histories.ts';

describe('what a client may do with a version', () => {
  test('equal versions are the same write', () => {
    const run = new HistoryByHand();
    const first = run.put(1);
    const second = run.put(2);
    run.get(first);
    run.get(second);
    assert.deepEqual(checkTags(run.history), []);
    run.get({ ...second, timestamp: 1 });
    assert.deepEqual(
      checkTags(run.history).map(({ requests }) => requests),
      [[0, 4]],
    );
    const other = new HistoryByHand();
    other.put(1);
    other.put(1);
    assert.equal(checkTags(other.history).length, 1);
  });

  test('a conditional read is answered without the value where the client has it, and nowhere else', () => {
    const { changed, seen } = PlannedCondition;
    for (const [condition, hasIt, verdict, isRight] of [
      [changed, true, 'unchanged', true],
      [changed, true, 'met', false],
      [changed, false, 'met', true],
      [changed, false, 'unchanged', false],
      [seen, true, 'met', true],
      [seen, true, 'unmet', false],
      [seen, false, 'unmet', true],
      [seen, false, 'met', false],
    ] as const) {
      const run = new HistoryByHand();
      const read = run.get(run.put(2), { condition });
      const sent = { timestamp: hasIt ? 2 : 1, writer: 1 };
      const observations = [{ ...read, sent, verdict }];
      const violations = checkTags({ ...run.history, observations });
      assert.equal(violations.length === 0, isRight, `${condition} ${hasIt} ${verdict}`);
    }
  });
});
