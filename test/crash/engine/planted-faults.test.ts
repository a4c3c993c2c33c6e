/**
 * The checks must fail when the engine is made unsafe. Without the fault the same checks pass, so it is the fault
 * that is found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkCrashes } from '../../support/engine-crash.ts';
import { checkFailure, type FailureCheck } from '../../support/engine-failures.ts';
import { CRASH_FAULTS, FAILURE_FAULTS } from '../../support/engine-faults.ts';

const RUN = { seed: 3, steps: 24, every: 1, offset: 0 };
const FAILING = { seed: 3, steps: 16, code: 'EIO' } as const;

test('the checks pass when no fault is planted', async () => {
  assert.ok((await checkCrashes({ ...RUN, every: 3, stopsAtOnce: 1 })).moments > 50);
  await failInTurn(FAILING, FAILURE_FAULTS['no cut of the manifest after a failed write'].calls);
});

for (const [name, fault] of Object.entries(CRASH_FAULTS)) {
  test(`${name}: noticed`, async () => {
    await assert.rejects(checkCrashes({ ...RUN, fault }), {
      message: /before call \d+, .*(and is lost|is damaged|is missing|a middle is lost)/,
    });
  });
}

for (const [name, { fault, calls }] of Object.entries(FAILURE_FAULTS)) {
  test(`${name}: noticed`, async () => {
    await assert.rejects(failInTurn({ ...FAILING, fault }, calls), {
      message: /at call \d+ \(write .*(bytes follow the mark|is missing|is damaged)/,
    });
  });
}

/** Each of these calls fails, and soon after it the engine is stopped too, at different moments. */
async function failInTurn(check: Omit<FailureCheck, 'failAt'>, calls: RegExp): Promise<void> {
  for (const failAt of await failuresOf(check, calls)) {
    for (const stopAfter of [3, 5, 9]) await checkFailure({ ...check, failAt, stopAfter, wholeWrites: true });
  }
}

/** Which calls of the run can fail for the check to look at. */
async function failuresOf(check: Omit<FailureCheck, 'failAt'>, calls: RegExp): Promise<number[]> {
  const all = await checkFailure({ ...check, failAt: -1 });
  return all.flatMap((call, index) => (calls.test(call) ? [index] : []));
}
