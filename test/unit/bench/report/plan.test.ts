import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseSteps, remainingSteps, secondsLeft } from '../../../../bench/report/plan.ts';
import { REPLICATIONS, SCALES, scaleOf } from '../../../../bench/report/scale.ts';
import { stepsOf } from '../../../../bench/report/steps/all.ts';

function step(name: string, budgetSeconds = 1, needs: readonly string[] = []) {
  return { name, budgetSeconds, needs };
}

function namesOf(steps: readonly { name: string }[]): string[] {
  return steps.map(({ name }) => name);
}

const STEPS = [step('a'), step('b', 1, ['a']), step('c'), step('d', 1, ['b'])];

describe('of the steps', () => {
  test('all are chosen, or those that are named with what they need, in the order of the plan', () => {
    assert.deepEqual(namesOf(chooseSteps(STEPS, undefined)), ['a', 'b', 'c', 'd']);
    assert.deepEqual(namesOf(chooseSteps(STEPS, ['d'])), ['a', 'b', 'd']);
    assert.deepEqual(namesOf(chooseSteps(STEPS, ['c', 'a', 'c'])), ['a', 'c']);
  });

  test('one that there is not is named', () => {
    assert.throws(() => chooseSteps(STEPS, ['a', 'x']), { message: 'there is no step x: --list names them' });
  });

  test('those are left that no run has done', () => {
    assert.deepEqual(namesOf(remainingSteps(STEPS, (name) => name === 'a' || name === 'c')), ['b', 'd']);
  });
});

describe('the time that is left', () => {
  test('is the budgets at first', () => {
    assert.equal(secondsLeft([], [step('a', 10), step('b', 30)]), 40);
  });

  test('stretches and shrinks with what the steps before took', () => {
    const toCome = [step('b', 30)];
    assert.equal(secondsLeft([{ budgetSeconds: 10, seconds: 20 }], toCome), 60);
    assert.equal(
      secondsLeft(
        [
          { budgetSeconds: 10, seconds: 10 },
          { budgetSeconds: 30, seconds: 10 },
        ],
        toCome,
      ),
      15,
    );
  });
});

describe('the plan', () => {
  for (const name of SCALES) {
    test(`of a ${name} run names each step once, after what it needs`, () => {
      const steps = stepsOf(scaleOf(name));
      const seen = new Set<string>();
      for (const { name: step, needs } of steps) {
        assert.ok(!seen.has(step), step);
        for (const need of needs) assert.ok(seen.has(need), `${step} needs ${need}`);
        seen.add(step);
      }
      for (const replication of REPLICATIONS) assert.ok(seen.has(`get-rate-${replication}`));
    });
  }

  test('keeps to its time: 45 minutes whole, 4 quick', () => {
    assert.ok(secondsLeft([], stepsOf(scaleOf('full'))) <= 45 * 60);
    assert.ok(secondsLeft([], stepsOf(scaleOf('quick'))) <= 4 * 60);
  });

  test('has as many turns as it is told', () => {
    const turns = stepsOf(scaleOf('full', 5)).filter(({ name }) => name.startsWith('put-turn-'));
    assert.equal(turns.length, 5);
  });
});
