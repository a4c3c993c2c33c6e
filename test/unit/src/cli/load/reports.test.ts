import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadFileOf } from '../../../../../src/cli/load/json-report.ts';
import { NoAnswer } from '../../../../../src/cli/load/no-answer.ts';
import { LoadOperation, sharesOf } from '../../../../../src/cli/load/operation-mix.ts';
import { LoadRecorder } from '../../../../../src/cli/load/result.ts';
import { whyNot } from '../../../../../src/cli/load/run.ts';
import { spectrumPoints, spectrumText } from '../../../../../src/cli/load/spectrum.ts';
import { Tally } from '../../../../../src/cli/load/tally.ts';
import { textReport } from '../../../../../src/cli/load/text-report.ts';
import { loadPlan } from '../../../../support/load-plan.ts';

const PLAN = loadPlan({
  ratePerSecond: 500,
  warmUpMs: 1_000,
  durationMs: 2_000,
  shares: sharesOf({ get: 90, put: 10 }),
  keyChoice: 'zipfian',
  threads: 2,
});

/** A second with 500 answers after 1 to 500 ms. */
function secondOf(fill: (tally: Tally) => void = () => undefined): Tally {
  const tally = new Tally();
  for (let ms = 1; ms <= 500; ms++) {
    const operation = ms % 10 === 0 ? LoadOperation.put : LoadOperation.get;
    tally.answered(operation, operation === LoadOperation.put ? 201 : ms % 4 === 0 ? 404 : 200, ms);
    tally.sent(0.5);
  }
  fill(tally);
  return tally;
}

function recorded(fill?: (tally: Tally) => void): LoadRecorder {
  const recorder = new LoadRecorder(PLAN);
  recorder.add({
    second: 0,
    phase: 'warm-up',
    tally: secondOf((tally) => tally.answered(0, 500, 9_000)).data(),
    lagMs: 0,
  });
  recorder.add({ second: 1, phase: 'measured', tally: secondOf(fill).data(), lagMs: 0 });
  recorder.add({ second: 2, phase: 'measured', tally: secondOf().data(), lagMs: 0 });
  recorder.add({ second: 3, phase: 'after', tally: new Tally().data(), lagMs: 0 });
  return recorder;
}

test('what threads and seconds counted adds up, the warm-up left out', () => {
  const { requestsPerSecond, seconds, tally } = recorded().result(0.5, false);
  assert.equal(requestsPerSecond, 500);
  assert.deepEqual([tally.requests, tally.good, tally.errors], [1_000, 1_000, 0]);
  assert.deepEqual(tally.counts.statuses, { 200: 700, 201: 100, 404: 200 });
  assert.deepEqual(
    seconds.map(({ second, requests, errors }) => ({ second, requests, errors })),
    [
      { second: 0, requests: 500, errors: 0 },
      { second: 1, requests: 500, errors: 0 },
    ],
  );
  assert.ok(Math.abs(seconds[0].p50Ms - 250) < 1 && Math.abs(seconds[0].maxMs - 500) < 1, 'in milliseconds');
});

test('a load in which no request was measured is not valid, unless it was cut', () => {
  const recorder = new LoadRecorder(PLAN);
  recorder.add({ second: 0, phase: 'warm-up', tally: secondOf().data(), lagMs: 0 });
  recorder.add({ second: 1, phase: 'measured', tally: new Tally().data(), lagMs: 0 });
  const [fault, ...others] = recorder.result(0.5, false).faults;
  assert.match(fault, /no request was due in the measured time/);
  assert.deepEqual(others, []);
  assert.deepEqual(recorder.result(0.5, true).faults, []);
});

test('a second is that of all threads, whichever tells it first, and also when the load was cut within it', () => {
  const recorder = new LoadRecorder(PLAN);
  const tell = (second: number, fill?: (tally: Tally) => void): void =>
    recorder.add({ second, phase: 'measured', tally: secondOf(fill).data(), lagMs: 0 });
  tell(1);
  tell(2);
  tell(3);
  tell(1, (tally) => tally.answered(LoadOperation.get, 500, 2_000));
  tell(2);
  const { seconds, tally } = recorder.result(0.5, true);
  assert.deepEqual(
    seconds.map(({ second, requests, errors }) => [second, requests, errors]),
    [
      [0, 1_001, 1],
      [1, 1_000, 0],
      [2, 500, 0],
    ],
  );
  assert.ok(Math.abs(seconds[0].maxMs - 2_000) < 2 && Math.abs(seconds[1].maxMs - 500) < 1);
  assert.equal(tally.requests, 2_501);
});

test('the spectrum is what HdrHistogram prints, and its points are the same figures', () => {
  const { latency } = recorded().result(0.5, false).tally;
  const text = spectrumText(latency);
  assert.match(text, /^ +Value +Percentile TotalCount 1\/\(1-Percentile\)\n/);
  assert.match(text, /#\[Max += {2,}500\.\d+, Total count += {2,}1000\]/);
  const printed = new Map(
    text.split('\n').flatMap((line) => {
      const match = /^ +(\d+\.\d+) (\d\.\d{12}) +\d+ +/.exec(line);
      return match === null ? [] : [[Number(match[2]), Number(match[1])] as const];
    }),
  );
  const points = spectrumPoints(latency);
  assert.equal(points[0].percentile, 0);
  assert.equal(points.at(-1)?.percentile, 100);
  let compared = 0;
  for (const { percentile, latencyMs } of points) {
    const value = printed.get(percentile / 100);
    if (value === undefined) continue;
    assert.ok(Math.abs(value - latencyMs) <= 1, `${percentile}: ${value} and ${latencyMs}`);
    compared++;
  }
  assert.ok(compared > 20, `${compared}`);
});

test('the report names percentiles by operation, statuses, errors by kind and the rate', () => {
  const recorder = recorded((tally) => {
    tally.answered(LoadOperation.put, 503, 1);
    tally.failed(LoadOperation.get, NoAnswer.broken, 2);
    tally.unanswered(LoadOperation.get, 9_000);
  });
  const text = textReport(recorder.result(0.5, false), true);
  assert.match(
    text,
    /^Load of 2s @ http:\/\/127\.0\.0\.1:19234: 90 % get, 10 % put of 1000 keys \(zipfian\)/,
  );
  assert.match(text, /500 requests\/s offered, 64 connections, 2 threads/);
  assert.match(text, / {12}all +get +put\n/);
  assert.match(text, /\n +50\.000% +250\.\d\dms +2\d\d\.\d\dms +250\.\d\dms\n/);
  assert.match(text, /\n +100\.000% +9\.00s +9\.00s +500\.\d\dms\n/);
  assert.match(
    text,
    /1003 requests, 1000 answered well, 3 errors\n +statuses +200: 700, 201: 100, 404: 200, 503: 1\n/,
  );
  assert.match(text, /no answer broken: 1, unanswered: 1\n/);
  assert.match(text, /Requests\/sec: 501\.00, 100\.2 % of what was offered/);
  assert.match(text, /Detailed percentile spectrum/);
  assert.doesNotMatch(text, /NOT VALID/);
});

test('a load that was late itself, or had no CPU left, says that it is not valid', () => {
  const late = recorded((tally) => {
    for (let i = 0; i < 20; i++) tally.sent(25);
  }).result(0.5, false);
  assert.match(textReport(late, false), /NOT VALID: the load itself was late: .* 25\.\d ms after it was due/);
  const busy = recorded().result(0.97, false);
  assert.match(textReport(busy, false), /NOT VALID: a thread of the load was busy 97 % of the time/);
  assert.equal(loadFileOf(busy).isValid, false);
  assert.match(whyNot(busy, 1_000), /^not valid/);
});

test('a rate holds only when it is achieved, in time and without errors', () => {
  assert.equal(whyNot(recorded().result(0.5, false), 500), '');
  assert.match(whyNot(recorded().result(0.5, false), 400), /^p99 49\d\.\d ms$/);
  assert.match(whyNot(recorded((tally) => tally.answered(0, 504, 1)).result(0.5, false), 500), /^1 errors$/);
  const slow = new LoadRecorder({ ...PLAN, ratePerSecond: 600 });
  slow.add({ second: 0, phase: 'measured', tally: secondOf().data(), lagMs: 0 });
  slow.add({ second: 1, phase: 'measured', tally: secondOf().data(), lagMs: 0 });
  assert.equal(whyNot(slow.result(0.5, false), 1_000), '83.3 % of the rate achieved');
});

test('the file holds the figures, and histograms that add up again', () => {
  const result = recorded().result(0.25, false);
  const file = loadFileOf(result);
  assert.deepEqual(JSON.parse(JSON.stringify(file)), JSON.parse(JSON.stringify(file)));
  assert.equal(file.latencies.all.requests, 1_000);
  assert.equal(file.latencies.put.requests, 100);
  assert.ok(Math.abs(file.latencies.all.p99Ms - 495) < 1);
  assert.equal(file.generator.busyShare, 0.25);
  const again = Tally.of({
    counts: result.tally.counts,
    histograms: file.histograms,
    lateness: result.tally.data().lateness,
  });
  assert.equal(again.latency.getValueAtPercentile(99), result.tally.latency.getValueAtPercentile(99));
});
