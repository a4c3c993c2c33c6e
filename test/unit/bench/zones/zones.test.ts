import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRatios, describeRow, type ZoneRow } from '../../../../bench/zones/report.ts';
import { zoneFiguresOf, zonePlan } from '../../../../bench/zones/zone-load.ts';
import { LoadOperation } from '../../../../src/cli/load/operation-mix.ts';
import { LoadRecorder } from '../../../../src/cli/load/result.ts';
import { Tally } from '../../../../src/cli/load/tally.ts';

/** Figures of a load whose GETs took 1 to 10 ms, with two 504 among them, and whose PUTs took 40 ms, one of them broken off. */
function figures() {
  const tally = new Tally();
  for (let ms = 1; ms <= 10; ms++) tally.answered(LoadOperation.get, ms > 8 ? 504 : ms > 7 ? 404 : 200, ms);
  for (let i = 0; i < 3; i++) tally.answered(LoadOperation.put, 201, 40);
  tally.failed(LoadOperation.put, 'broken', 40);
  const recorder = new LoadRecorder(zonePlan([1], 14, 1_000));
  recorder.add({ second: 0, phase: 'measured', tally: tally.data(), lagMs: 0 });
  return zoneFiguresOf(recorder.result(0.1, false));
}

test('what became of GETs and PUTs is told apart, and what failed by whether a quorum was missing', () => {
  const { faults, methods, notEnoughReplicas, otherErrors } = figures();
  assert.deepEqual([faults, notEnoughReplicas, otherErrors], [[], 2, 1]);
  const [get, put] = methods;
  assert.deepEqual([get.method, get.requests, get.answeredShare], ['GET', 10, 0.8]);
  assert.deepEqual([put.method, put.requests, put.answeredShare], ['PUT', 4, 0.75]);
  for (const [figure, ms] of [
    [get.p25Ms, 3],
    [get.p50Ms, 5],
    [get.p99Ms, 10],
    [get.meanMs, 5.5],
    [put.p50Ms, 40],
  ])
    assert.ok(Math.abs(figure / ms - 1) < 0.01, `${figure} instead of ${ms}`);
});

test('a load of which nothing came says so', () => {
  const recorder = new LoadRecorder(zonePlan([1], 1, 1_000));
  assert.throws(() => zoneFiguresOf(recorder.result(0, false)), /no GET was sent/);
});

test('rows are compared with those of the other policy, the same zones and the same clients', () => {
  const near: ZoneRow = { policy: 'near', zones: 'all', clients: 'one node', ...figures() };
  const slower = near.methods.map((each) => ({ ...each, p50Ms: each.p50Ms * 2, answeredShare: 1 }));
  const spread: ZoneRow = { ...near, policy: 'spread', methods: slower };
  const elsewhere: ZoneRow = { ...spread, zones: 'one lost' };
  assert.deepEqual(describeRatios([near, elsewhere]), []);
  const [get, put] = describeRatios([elsewhere, near, spread]);
  assert.match(
    get,
    /^spread over near, zones all, clients at one node, GET: .*p50 2 x, p99 1 x, mean 1 x, answered 1\.25 x$/,
  );
  assert.match(put, /PUT: .*answered 1\.33 x$/);
  const [first, second] = describeRow(near).split('\n');
  assert.match(first, /near +all +one node +GET .* 80 % +2 +1$/);
  assert.match(second, /^ +PUT .* 75 %$/);
});
