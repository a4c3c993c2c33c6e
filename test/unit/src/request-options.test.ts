import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_REQUEST,
  isConditionMet,
  judgeRead,
  quorumOptions,
  requestOptions,
} from '../../../src/request-options.ts';

test('requests that say the same of their quorum share one object, which nobody can change', () => {
  assert.equal(quorumOptions(0, 0), DEFAULT_REQUEST);
  assert.equal(quorumOptions(2, 3), quorumOptions(2, 3));
  assert.notEqual(quorumOptions(2, 3), quorumOptions(3, 2));
  assert.notEqual(quorumOptions(1, 0), quorumOptions(0, 1));
  for (const options of [DEFAULT_REQUEST, quorumOptions(2, 3), requestOptions({ ttlMs: 1 })])
    assert.ok(Object.isFrozen(options));
  assert.deepEqual(quorumOptions(2, 3), { ...DEFAULT_REQUEST, ack: 2, from: 3 });
});

test('numbers that no request can have are kept as they are, for whoever refuses them', () => {
  for (const [ack, from] of [
    [999_999_999, 2],
    [2, 999_999_999],
    [-1, 0],
    [33, 33],
  ]) {
    const options = quorumOptions(ack, from);
    assert.deepEqual([options.ack, options.from], [ack, from]);
  }
});

test('a condition is met by the version that it names, and by none that is like it', () => {
  const versions = [
    { timestamp: 5, writer: 1 },
    { timestamp: 7, writer: 2 },
  ];
  const ifMatch = { ifMatch: versions, ifNoneMatch: null };
  const ifNoneMatch = { ifMatch: null, ifNoneMatch: versions };
  for (const [timestamp, writer, isNamed] of [
    [5, 1, true],
    [7, 2, true],
    [5, 2, false],
    [7, 1, false],
    [0, 0, false],
  ] as const) {
    assert.equal(isConditionMet(ifMatch, timestamp, writer), isNamed, `${timestamp} by ${writer}`);
    assert.equal(isConditionMet(ifNoneMatch, timestamp, writer), !isNamed, `${timestamp} by ${writer}`);
  }
});

test('"any" is any value, and none where the key has none', () => {
  assert.ok(isConditionMet({ ifMatch: 'any', ifNoneMatch: null }, 5, 1));
  assert.ok(!isConditionMet({ ifMatch: 'any', ifNoneMatch: null }, 0, 0));
  assert.ok(!isConditionMet({ ifMatch: null, ifNoneMatch: 'any' }, 5, 1));
  assert.ok(isConditionMet({ ifMatch: null, ifNoneMatch: 'any' }, 0, 0));
});

test('of two conditions both have to be met', () => {
  const condition = { ifMatch: 'any', ifNoneMatch: [{ timestamp: 5, writer: 1 }] } as const;
  assert.ok(isConditionMet(condition, 6, 1));
  assert.ok(!isConditionMet(condition, 5, 1));
  assert.ok(!isConditionMet(condition, 0, 0));
});

test('a read is unmet where `ifMatch` names another value, and else unchanged where `ifNoneMatch` names this one', () => {
  const [here, other] = [[{ timestamp: 5, writer: 1 }], [{ timestamp: 6, writer: 1 }]];
  for (const [ifMatch, ifNoneMatch, verdict] of [
    [null, other, 'met'],
    [null, here, 'unchanged'],
    [null, 'any', 'unchanged'],
    [here, null, 'met'],
    [here, here, 'unchanged'],
    [other, null, 'unmet'],
    [other, here, 'unmet'],
  ] as const)
    assert.equal(judgeRead({ ifMatch, ifNoneMatch }, 5, 1), verdict);
});
