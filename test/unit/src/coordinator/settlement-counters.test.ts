import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SettlementCounters } from '../../../../src/coordinator/settlement-counters.ts';
import { FailureCode } from '../../../../src/failure.ts';
import { ABSENT, failed, incomplete, STORED } from '../../../../src/reply.ts';
import { quorumOptions } from '../../../../src/request-options.ts';
import {
  Answers,
  found,
  KEY,
  setUpCoordinator,
  setUpWaiting,
  stale,
  TIMEOUT_MS,
  VALUE,
  viewOfNodes,
} from '../../../support/coordinator-by-hand.ts';
import { FakeReplicas } from '../../../support/fake-replicas.ts';

const NONE = { stale: 0, missing: 0, newer: 0, failed: 0, silent: 0, unasked: 0 };

test('replicas that are not up to date or do not answer are counted by node, and failures by code', () => {
  const counters = new SettlementCounters();
  const { coordinator, asked, answers, ids } = setUpWaiting(3, counters);
  coordinator.get(KEY, quorumOptions(1, 3), answers);
  asked[0].reply(found(9, 'new'));
  asked[1].reply(found(5, 'old'));
  assert.equal(counters.figures().reads, 0, 'it has not settled');
  asked[2].reply(ABSENT);
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  asked[3].reply(STORED);
  asked[4].reply(stale(900));
  asked[5].reply(failed(FailureCode.poisoned, 'takes no writes'));
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  asked[6].reply(STORED);
  asked[7].reply(failed(FailureCode.timedOut, 'no answer in time'));
  asked[8].reply(failed(FailureCode.poisoned, 'takes no writes'));
  coordinator.get(KEY, quorumOptions(1, 1), answers);
  asked[9].reply(incomplete(null));
  assert.deepEqual(counters.figures(), {
    reads: 2,
    writes: 2,
    replicasRead: 4,
    replicas: [
      { id: ids[1], ...NONE, stale: 1, newer: 1, silent: 1 },
      { id: ids[2], ...NONE, missing: 1, failed: 2 },
    ],
    failures: [
      { code: 'POISONED', mayPass: false, count: 2 },
      { code: 'TIMED_OUT', mayPass: true, count: 1 },
      { code: 'INCOMPLETE', mayPass: false, count: 1 },
    ],
  });
});

test('an acknowledged write that met a newer version is counted as a conflict', () => {
  const counters = new SettlementCounters();
  const { coordinator, asked, answers } = setUpWaiting(3, counters);
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  asked[0].reply(stale(900));
  asked[1].reply(STORED);
  asked[2].reply(STORED);
  coordinator.put(KEY, VALUE, quorumOptions(2, 3), answers);
  for (const { reply } of asked.slice(3)) reply(STORED);
  assert.deepEqual(counters.conflicts(), { acknowledged: 1 });
});

test('replicas that a write did not reach are counted, because they lag behind; those that a read did not need are not', () => {
  const counters = new SettlementCounters();
  const replicas = new FakeReplicas(viewOfNodes(3));
  const { clock, coordinator, ids } = setUpCoordinator(replicas, counters, 'sequential');
  const { asked } = replicas;
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), new Answers());
  asked[0].reply(STORED);
  clock.advance(TIMEOUT_MS);
  asked[1].reply(failed(FailureCode.timedOut, 'no answer in time'));
  coordinator.get(KEY, quorumOptions(1, 3), new Answers());
  asked[2].reply(ABSENT);
  const figures = counters.figures();
  assert.deepEqual([figures.reads, figures.writes, figures.replicasRead], [1, 1, 1]);
  assert.deepEqual(figures.replicas, [
    { id: ids[1], ...NONE, silent: 1 },
    { id: ids[2], ...NONE, unasked: 1 },
  ]);
});

test('replicas that were never asked are no fault of theirs', () => {
  const counters = new SettlementCounters();
  const { coordinator, answers, timestamps } = setUpWaiting(3, counters);
  timestamps.isExhausted = true;
  coordinator.put(KEY, VALUE, quorumOptions(1, 3), answers);
  coordinator.close();
  assert.deepEqual(counters.figures(), {
    reads: 0,
    writes: 1,
    replicasRead: 0,
    replicas: [],
    failures: [],
  });
});
