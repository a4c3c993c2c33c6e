import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CampaignResult } from '../../../../../src/cli/simulate/campaign.ts';
import { summaryLines } from '../../../../../src/cli/simulate/report.ts';
import { Coverage } from '../../../../../src/simulation/coverage.ts';

const RESULT: CampaignResult = {
  threads: 1,
  seeds: 30,
  requests: 9_000,
  faults: 120,
  simulatedMs: 240_000,
  ranMs: 4_000,
  coverage: new Coverage(),
  failed: [],
};

test('the summary says how many requests a second were simulated', () => {
  assert.equal(summaryLines(RESULT)[1], 'in 4.0 s: 2250 requests/s in one thread; 7.5 seeds/s');
});

test('with several threads it says how many in all, and how many in each', () => {
  assert.equal(
    summaryLines({ ...RESULT, threads: 3 })[1],
    'in 4.0 s: 2250 requests/s in 3 threads, 750 in each; 7.5 seeds/s',
  );
});
