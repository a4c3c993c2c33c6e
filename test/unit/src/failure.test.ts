import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureCode, failureName, MAX_FAILURE_CODE, mayPass } from '../../../src/failure.ts';

test('each failure has a number of its own that a byte holds, and none is zero', () => {
  const codes = Object.values(FailureCode);
  assert.equal(new Set(codes).size, codes.length);
  assert.equal(FailureCode.none, 0);
  assert.ok(codes.every((code) => code >= 0 && code <= MAX_FAILURE_CODE));
});

test('whether a retry helps is in the number, also of one that has no name here', () => {
  assert.deepEqual([1, 99, 127].map(mayPass), [true, true, true]);
  assert.deepEqual([0, 128, 200, 255].map(mayPass), [false, false, false, false]);
  assert.equal(mayPass(FailureCode.noSpace), true);
  assert.equal(mayPass(FailureCode.poisoned), false);
});

test('programs read names in capitals', () => {
  assert.equal(failureName(FailureCode.noSpace), 'NO_SPACE');
  assert.equal(failureName(FailureCode.inFlightFull), 'IN_FLIGHT_FULL');
  assert.equal(failureName(127), 'FAILURE_127');
});
