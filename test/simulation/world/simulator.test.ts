import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Campaign } from '../../../src/cli/simulate/campaign.ts';
import { systemClock } from '../../../src/clock.ts';
import { makePlan } from '../../../src/simulation/plan/make-plan.ts';
import { runPlan } from '../../../src/simulation/run.ts';
import { KeptTrace } from '../../../src/simulation/trace.ts';

const SEEDS = 200;
/** Of the pairs of faults and requests; a campaign of thousands of seeds has none. */
const MAX_GAPS = 6;
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

  test('there is no real time, and no chance, in a run', async (context) => {
    const sources = [
      context.mock.method(Date, 'now'),
      context.mock.method(Math, 'random'),
      context.mock.method(globalThis, 'setTimeout'),
      context.mock.method(globalThis, 'setInterval'),
      context.mock.method(globalThis, 'setImmediate'),
      context.mock.method(crypto, 'getRandomValues'),
    ];
    await runPlan(makePlan(TWICE[0]));
    assert.deepEqual(
      sources.map(({ mock }) => mock.callCount()),
      sources.map(() => 0),
    );
  });

  test(`${SEEDS} seeds keep every promise, and faults of each kind meet requests of each kind`, async (context) => {
    // In one thread, beside other files of tests: two would compile the same code twice, for a quarter more CPU time.
    const campaign = new Campaign({ firstSeed: 1, seeds: SEEDS, threads: 1, maxMs: Infinity }, systemClock);
    const { coverage, failed, requests, seeds } = await campaign.run(new AbortController().signal);
    context.diagnostic(`${requests} requests`);
    assert.deepEqual(failed, []);
    assert.equal(seeds, SEEDS);
    for (const gap of coverage.gaps) context.diagnostic(`never met: ${gap}`);
    assert.ok(coverage.gaps.length <= MAX_GAPS, 'hardly a pair may be missed by so few seeds');
  });
});
