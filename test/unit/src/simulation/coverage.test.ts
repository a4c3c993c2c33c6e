import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Coverage, TRAFFIC_KINDS } from '../../../../src/simulation/coverage.ts';
import type { Observation } from '../../../../src/simulation/history.ts';
import { FaultKind, PlannedCondition, type PlannedFault } from '../../../../src/simulation/plan/plan.ts';
import { HistoryByHand, scanOf } from '../../../support/histories.ts';

const fault = (kind: FaultKind): PlannedFault => ({
  id: 0,
  atMs: 0,
  kind,
  node: 0,
  durationMs: 10,
  degree: 0,
});
const at = (observation: Observation, calledMs: number, answeredMs: number): Observation => ({
  ...observation,
  calledMs,
  answeredMs,
});

describe('which faults have met which requests', () => {
  let coverage: Coverage;
  let run: HistoryByHand;
  beforeEach(() => {
    coverage = new Coverage();
    run = new HistoryByHand();
  });

  test('a fault meets what is under way while it holds, and nothing before or after', () => {
    const freeze = fault(FaultKind.freeze);
    coverage.beginFault(freeze, 100);
    coverage.endFault(freeze, 200);
    const put = run.put(1);
    coverage.addRequests([at(put, 50, 99), at(put, 201, 300)]);
    assert.equal(coverage.count(FaultKind.freeze, 'PUT'), 0);
    coverage.addRequests([at(put, 50, 100), at(put, 120, 130), at(put, 200, 300), at(put, 50, 300)]);
    assert.equal(coverage.count(FaultKind.freeze, 'PUT'), 4);
    assert.equal(coverage.count(FaultKind.kill, 'PUT'), 0);
    assert.equal(coverage.count(FaultKind.freeze, 'GET'), 0);
  });

  test('one that is over at once counts for some moments, and one that has not ended for what comes', () => {
    const cut = fault(FaultKind.connectionsCut);
    coverage.beginFault(cut, 100);
    coverage.endFault(cut, 100);
    coverage.beginFault(fault(FaultKind.slowDisk), 100);
    const read = run.get(null);
    coverage.addRequests([at(read, 120, 130), at(read, 121, 130)]);
    assert.equal(coverage.count(FaultKind.connectionsCut, 'GET'), 1);
    assert.equal(coverage.count(FaultKind.slowDisk, 'GET'), 2);
  });

  test('a request that is never answered is under way to the end', () => {
    const kill = fault(FaultKind.kill);
    coverage.beginFault(kill, 100);
    coverage.endFault(kill, 150);
    coverage.addRequests([{ ...run.unknown(), calledMs: 10 }]);
    assert.equal(coverage.count(FaultKind.kill, 'PUT'), 1);
  });

  test('each kind of request counts as what it is', () => {
    coverage.beginFault(fault(FaultKind.partition), 0);
    run.delete(1);
    run.put(2, { isLinearizable: true, condition: PlannedCondition.absent });
    run.get(null, { isLinearizable: true });
    run.put(3, { ttlMs: 5, isExplained: true });
    run.put(4, { isLinearizable: true, ttlMs: 5 });
    run.get(null, { condition: PlannedCondition.changed });
    run.delete(5, { condition: PlannedCondition.seen });
    coverage.addRequests([...run.observations, scanOf([])]);
    const counts = TRAFFIC_KINDS.map((traffic) => coverage.count(FaultKind.partition, traffic));
    assert.deepEqual(Object.fromEntries(TRAFFIC_KINDS.map((traffic, index) => [traffic, counts[index]])), {
      GET: 1,
      PUT: 1,
      DELETE: 2,
      'linearizable GET': 1,
      'linearizable PUT, DELETE': 2,
      'conditional GET': 1,
      'conditional PUT': 1,
      'conditional DELETE': 1,
      'PUT with ttl': 1,
      'linearizable PUT with ttl': 1,
      explained: 1,
      scan: 1,
    });
  });

  test('a pair that never met is named as a gap, and no other', () => {
    const pairs = Object.values(FaultKind).length * TRAFFIC_KINDS.length;
    assert.equal(coverage.gaps.length, pairs);
    coverage.beginFault(fault(FaultKind.freeze), 0);
    run.get(null);
    coverage.addRequests(run.observations);
    assert.equal(coverage.gaps.length, pairs - 1);
    assert.ok(!coverage.gaps.includes('freeze: GET'));
    assert.ok(coverage.gaps.includes('freeze: PUT'));
  });

  test('what runs in several threads have met is added up', () => {
    coverage.beginFault(fault(FaultKind.freeze), 0);
    run.get(null);
    coverage.addRequests(run.observations);
    const sum = new Coverage();
    sum.add(coverage);
    sum.add(Coverage.fromCounts(coverage.toCounts()));
    assert.equal(sum.count(FaultKind.freeze, 'GET'), 2);
    assert.equal(coverage.count(FaultKind.freeze, 'GET'), 1);
  });
});
