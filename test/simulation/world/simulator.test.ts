import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Coverage } from '../../../src/simulation/coverage.ts';
import { makePlan } from '../../../src/simulation/plan/make-plan.ts';
import { runPlan } from '../../../src/simulation/run.ts';
import { KeptTrace } from '../../../src/simulation/trace.ts';

const SEEDS = 200;
const TWICE = [3, 11, 42];

describe('the simulator', () => {
  test('the same seed gives the same trace, to the last byte', async () => {
    for (const seed of TWICE) {
      const [first, second] = [new KeptTrace(), new KeptTrace()];
      await runPlan(makePlan(seed), first);
      await runPlan(makePlan(seed), second);
      assert.deepEqual(second.lines, first.lines);
      assert.equal(second.digest(), first.digest());
      assert.ok(first.lines.length > 100, `seed ${seed} has a trace`);
    }
  });

  test(`${SEEDS} seeds keep every promise, and each kind of fault meets each kind of request`, async (context) => {
    const coverage = new Coverage();
    const broken: string[] = [];
    let requests = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = await runPlan(makePlan(seed));
      requests += result.figures.requests;
      coverage.add(result.coverage);
      for (const { check, sentence } of result.violations) broken.push(`seed ${seed}: ${check}: ${sentence}`);
    }
    context.diagnostic(`${requests} requests`);
    assert.deepEqual(broken, []);
    assert.deepEqual(coverage.gaps, []);
  });
});
