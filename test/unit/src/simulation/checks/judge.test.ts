import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Outcome } from '../../../../../src/outcome.ts';
import { checkComeBack } from '../../../../../src/simulation/checks/come-back.ts';
import { checkExpiry } from '../../../../../src/simulation/checks/expiry.ts';
import { checkLaterWrites } from '../../../../../src/simulation/checks/freshness.ts';
import { checkAnswers } from '../../../../../src/simulation/checks/one-answer.ts';
import { checkRegisters } from '../../../../../src/simulation/checks/registers.ts';
import { disksWith, HistoryByHand } from '../../../../support/histories.ts';

const REGISTER = { isLinearizable: true };
const TIMEOUT_MS = 300;
/** The timestamp of a moment: its milliseconds since 2024, and a counter. */
const EPOCH_MS = Date.UTC(2024, 0, 1);
const WORLD = { startMs: EPOCH_MS, driftMs: 100 };
const timestampOf = (ms: number): number => ms * 4096;

describe('linearizable requests are', () => {
  test('a read that comes after a deletion and finds what was there before has no place in any order', () => {
    const run = new HistoryByHand();
    const value = run.put(1, REGISTER);
    run.get(value, REGISTER);
    run.delete(2, REGISTER);
    run.get(null, REGISTER);
    assert.deepEqual(checkRegisters(run.history, WORLD), []);
    run.get(value, REGISTER);
    assert.match(checkRegisters(run.history, WORLD)[0].sentence, /Key k is not linearizable/);
  });

  test('a write that was refused has no effect, and one of which nobody has heard may have one', () => {
    const run = new HistoryByHand();
    const refused = run.put(1, REGISTER);
    refused.outcome = Outcome.conditionFailed;
    refused.reason = 'The value of the key is not one that the condition allows: nothing was written.';
    const unknown = run.unknown(REGISTER);
    run.get(null, REGISTER);
    run.get({ ...unknown, timestamp: 2 }, REGISTER);
    assert.deepEqual(checkRegisters(run.history, WORLD), []);
    run.get(refused, REGISTER);
    assert.equal(checkRegisters(run.history, WORLD).length, 1);
  });

  test('a write that lost to another one may be seen at the same time, and not after it was told so', () => {
    const run = new HistoryByHand();
    const overtaken = run.put(1, REGISTER);
    overtaken.outcome = Outcome.conditionFailed;
    overtaken.reason = 'The value of the key met the condition, but another write came before this one.';
    run.get(null, REGISTER);
    assert.deepEqual(checkRegisters(run.history, WORLD), [], 'nobody has to see it');
    const late = run.get(overtaken, REGISTER);
    assert.equal(checkRegisters(run.history, WORLD).length, 1);
    run.observations.splice(1, 2, { ...late, calledAt: overtaken.calledAt });
    assert.deepEqual(checkRegisters(run.history, WORLD), []);
  });

  test('what one disk lost excuses nothing, and what as many lost as acknowledged a write excuses what comes later', () => {
    const run = new HistoryByHand();
    run.put(1, REGISTER);
    run.lose(0);
    run.get(null, REGISTER);
    assert.equal(checkRegisters(run.history, WORLD).length, 1);
    const other = new HistoryByHand();
    other.put(1, REGISTER);
    other.lose(0);
    other.lose(1);
    other.get(null, REGISTER);
    assert.deepEqual(checkRegisters(other.history, WORLD), []);
    const late = new HistoryByHand();
    late.put(1, REGISTER);
    late.get(null, REGISTER);
    late.lose(0);
    late.lose(1);
    assert.equal(checkRegisters(late.history, WORLD).length, 1, 'that was wrong before anything was lost');
  });

  test('a machine that misses too little for anybody to notice may be the only one that two quorums have in common', () => {
    const run = new HistoryByHand();
    run.put(1, REGISTER);
    run.slip(0);
    run.get(null, REGISTER);
    assert.deepEqual(checkRegisters(run.history, WORLD), []);
    const larger = { ...REGISTER, ack: 3, from: 4 };
    const other = new HistoryByHand();
    other.put(1, larger);
    other.slip(0);
    other.get(null, larger);
    assert.equal(checkRegisters(other.history, WORLD).length, 1, 'two have it in common');
  });

  test('a value that expires is gone from its end on, and not before', () => {
    const run = new HistoryByHand();
    const written = run.put(timestampOf(0), { ...REGISTER, ttlMs: 300 });
    run.get(written, REGISTER);
    const gone = run.get(null, REGISTER);
    for (const [answeredMs, isRight] of [
      [190, false],
      [210, true],
    ] as const) {
      const observations = run.observations.with(2, { ...gone, answeredMs });
      const violations = checkRegisters({ ...run.history, observations }, WORLD);
      assert.equal(violations.length === 0, isRight, `${answeredMs} ms`);
    }
  });

  test('other requests are not judged as registers', () => {
    const run = new HistoryByHand();
    run.put(1);
    run.get(null);
    assert.deepEqual(checkRegisters(run.history, WORLD), []);
  });
});

test('a write that was acknowledged under an older version than one before it has lost to that', () => {
  const run = new HistoryByHand();
  run.put(2);
  run.put(3);
  assert.deepEqual(checkLaterWrites(run.history), []);
  run.put(1, { ack: 1 });
  assert.deepEqual(checkLaterWrites(run.history), [], 'no replica has to know both');
  run.put(1);
  assert.deepEqual(
    checkLaterWrites(run.history).map(({ requests }) => requests),
    [[1, 3]],
  );
});

describe('values live as long as they should', () => {
  test('within the drift either answer is right, beyond it one', () => {
    const run = new HistoryByHand();
    const written = run.put(timestampOf(0), { ttlMs: 1_000 });
    const read = run.get(written);
    for (const [calledMs, isThere, isRight] of [
      [900, true, true],
      [1_090, true, true],
      [1_110, true, false],
      [910, false, true],
      [880, false, false],
    ] as const) {
      const outcome = isThere ? Outcome.ok : Outcome.notFound;
      const seen = { ...read, calledMs, answeredMs: calledMs + 5, outcome, timestamp: 0, writer: 1 };
      const mortal = { ...written, timestamp: timestampOf(0) };
      const livesMs = isThere ? Math.max(1_000 - calledMs, 1) : 0;
      const answered = { ...seen, livesMs };
      const violations = checkExpiry({ ...run.history, observations: [mortal, answered] }, WORLD);
      assert.equal(violations.length === 0, isRight, `${calledMs} ms`);
    }
  });
});

test('what is told of the rest of a life is right within the drift', () => {
  const run = new HistoryByHand();
  const mortal = run.put(timestampOf(0), { ttlMs: 1_000 });
  const read = { ...run.get(mortal), calledMs: 400, answeredMs: 420 };
  for (const [livesMs, isRight] of [
    [590, true],
    [690, true],
    [720, false],
    [490, true],
    [470, false],
    [0, false],
  ] as const) {
    const observations = [mortal, { ...read, livesMs }];
    assert.equal(checkExpiry({ ...run.history, observations }, WORLD).length === 0, isRight, `${livesMs} ms`);
  }
  const lasting = run.put(timestampOf(1));
  const observations = [lasting, { ...run.get(lasting), livesMs: 5 }];
  assert.equal(checkExpiry({ ...run.history, observations }, WORLD).length, 1, 'it has no end');
});

test('a coordinator whose own time is behind finds a value for so much longer, and never for less long', () => {
  const run = new HistoryByHand();
  const mortal = run.put(timestampOf(0), { ttlMs: 1_000 });
  const read = { ...run.get(mortal), ownLagMs: 400, livesMs: 1 };
  for (const [calledMs, outcome, isRight] of [
    [1_390, Outcome.ok, true],
    [1_410, Outcome.ok, false],
    [890, Outcome.notFound, false],
  ] as const) {
    const observations = [mortal, { ...read, calledMs, answeredMs: calledMs + 5, outcome }];
    assert.equal(
      checkExpiry({ ...run.history, observations }, WORLD).length === 0,
      isRight,
      `${calledMs} ms`,
    );
  }
});

describe('one answer a request', () => {
  test('two are one too many, none is too few while its coordinator lives', () => {
    const run = new HistoryByHand();
    run.put(1);
    const unknown = run.unknown();
    assert.deepEqual(checkAnswers(run.history, TIMEOUT_MS), []);
    unknown.isCutOff = false;
    run.put(2).answers = 2;
    run.get(null).fault = 'read 3 bytes that nobody wrote to k';
    run.put(3).outcome = Outcome.failed;
    run.put(4).outcome = Outcome.notFound;
    assert.deepEqual(
      checkAnswers(run.history, TIMEOUT_MS).map(({ requests }) => requests[0]),
      [1, 2, 3, 4, 5],
    );
  });
});

test('a request has its time, less what its coordinator was frozen, and hardly more', () => {
  const run = new HistoryByHand();
  const { calledMs } = run.put(1);
  for (const [tookMs, frozenMs, isRight] of [
    [TIMEOUT_MS + 10, 0, true],
    [TIMEOUT_MS + 100, 0, false],
    [TIMEOUT_MS + 2_000, 2_000, true],
    [TIMEOUT_MS + 2_000, 1_900, false],
  ] as const) {
    const observations = [{ ...run.observations[0], answeredMs: calledMs + tookMs, frozenMs }];
    const violations = checkAnswers({ ...run.history, observations }, TIMEOUT_MS);
    assert.equal(violations.length === 0, isRight, `${tookMs} ms, frozen for ${frozenMs}`);
  }
});

test('a node that does not start has lost something, or breaks a promise', () => {
  const run = new HistoryByHand();
  const finals = disksWith(null, null, null);
  const down = { machine: 'n2', records: null, isWhole: false, fault: 'damaged' };
  assert.deepEqual(checkComeBack(run.history, finals), []);
  assert.match(
    checkComeBack(run.history, [finals[0], down, finals[2]])[0].sentence,
    /n2 does not serve: damaged/,
  );
  run.lose(1);
  assert.deepEqual(checkComeBack(run.history, [finals[0], down, finals[2]]), []);
});
