import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkFreshness, checkMonotonicReads } from '../../../../../src/simulation/checks/freshness.ts';
import type { Violation } from '../../../../../src/simulation/history.ts';
import { HistoryByHand } from '../../../../support/histories.ts';

function requestsOf(violations: readonly Violation[]): (readonly number[])[] {
  return violations.map(({ requests }) => requests);
}

describe('reads see acknowledged writes', () => {
  test('a read that finds what was written before it keeps the promise, and one that finds less breaks it', () => {
    const run = new HistoryByHand();
    const old = run.put(1);
    const written = run.put(2);
    run.get(written);
    assert.deepEqual(checkFreshness(run.history), []);
    run.get(old);
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [[1, 3]]);
    run.get(null);
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [
      [1, 3],
      [1, 4],
    ]);
  });

  test('a machine that misses too little for anybody to notice may be the only one that two quorums have in common', () => {
    const run = new HistoryByHand();
    const old = run.put(1);
    run.put(2, { ack: 3 });
    run.slip(0);
    run.get(old, { ack: 1 });
    assert.deepEqual(checkFreshness(run.history), []);
    run.get(old, { ack: 2 });
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [[1, 3]]);
  });

  test('what is newer, though nobody has heard that it was written, is not older', () => {
    const run = new HistoryByHand();
    run.put(1);
    const unknown = run.unknown();
    run.get({ ...unknown, timestamp: 2 });
    assert.deepEqual(checkFreshness(run.history), []);
  });

  test('without overlap nothing is promised', () => {
    const run = new HistoryByHand();
    run.put(1, { ack: 1 });
    run.get(null, { ack: 2 });
    run.put(2, { ack: 2, from: 2 });
    run.get(null, { ack: 2, from: 5 });
    assert.deepEqual(checkFreshness(run.history), []);
    run.get(null, { ack: 3 });
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [[2, 4]]);
  });

  test('a write that was answered after the read began may be missing', () => {
    const run = new HistoryByHand();
    const written = run.put(1);
    const read = run.get(null);
    written.answeredAt = read.calledAt + 0.5;
    assert.deepEqual(checkFreshness(run.history), []);
  });

  test('a write is excused once as many disks as acknowledged it have lost what they had', () => {
    const run = new HistoryByHand();
    run.put(1);
    run.lose(0);
    run.get(null);
    assert.equal(checkFreshness(run.history).length, 1);
    run.lose(0);
    assert.equal(checkFreshness(run.history).length, 1, 'one disk twice');
    run.lose(1);
    assert.deepEqual(checkFreshness(run.history), []);
  });

  test('a deletion may be purged, but brings nothing back', () => {
    const run = new HistoryByHand();
    const value = run.put(1);
    const deletion = run.delete(2);
    run.get(deletion);
    run.get(null);
    assert.deepEqual(checkFreshness(run.history), []);
    run.get(value);
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [[1, 4]]);
    run.put(3);
    run.get(null);
    assert.deepEqual(requestsOf(checkFreshness(run.history)), [
      [1, 4],
      [5, 6],
    ]);
  });
});

describe('reads do not go back', () => {
  test('what a read has seen, the next one sees too, though nobody acknowledged it', () => {
    const run = new HistoryByHand();
    const unknown = { ...run.unknown(), timestamp: 5 };
    run.get(unknown);
    run.get(unknown);
    assert.deepEqual(checkMonotonicReads(run.history), []);
    run.get(null);
    assert.deepEqual(requestsOf(checkMonotonicReads(run.history)), [[1, 3]]);
  });

  test('a read that repairs later promises nothing to others', () => {
    const run = new HistoryByHand();
    const unknown = { ...run.unknown(), timestamp: 5 };
    run.get(unknown, { repairsLater: true });
    run.get(null);
    assert.deepEqual(checkMonotonicReads(run.history), []);
  });

  test('what was written for one replica is not brought to others', () => {
    const run = new HistoryByHand();
    const written = run.put(1, { ack: 1, from: 1 });
    run.get(written);
    run.get(null);
    assert.deepEqual(checkMonotonicReads(run.history), []);
  });
});
