import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { figuresOfResults, rowName } from '../../../../bench/report/figures.ts';
import { plotsOf } from '../../../../bench/report/plots.ts';
import { tableOf } from '../../../../bench/report/tables.ts';
import { doneRecord, loadFigures, reportResults } from '../../../support/report-results.ts';

const BENCH_ROWS = [
  { protocol: 'rpc', method: 'PUT', requestsPerSecond: 9_000, p99Ms: 4.2 },
  { protocol: 'http', method: 'PUT', requestsPerSecond: 6_000, p99Ms: null },
  { protocol: 'rpc', method: 'GET', requestsPerSecond: 12_000, p99Ms: 3 },
];

describe('the figures of a report', () => {
  const results = reportResults();
  const figures = figuresOfResults(results);

  test('are the median of the turns, with the smallest and the largest', () => {
    assert.equal(figures.get('put.parallel.stable.rate'), 10_000);
    assert.equal(figures.get('put.parallel.stable.rate.min'), 9_900);
    assert.equal(figures.get('put.parallel.stable.rate.max'), 10_100);
    assert.equal(figures.get('get.hedged.rate'), 12_000);
    assert.equal(figures.get('limits.syncsPerSecond'), 900);
  });

  test('of an even number of runs lie between the two in the middle', () => {
    const [first, ...others] = results.records.filter(({ step }) => step !== 'put-turn-3');
    const two = figuresOfResults({ ...results, records: [first, ...others] });
    assert.equal(two.get('put.parallel.stable.rate'), 9_950);
  });

  test('are missing where a step has failed, and only there', () => {
    const records = results.records.map((record) =>
      record.step === 'get-rate-hedged' ? { ...record, state: 'failed' as const, error: 'no' } : record,
    );
    const some = figuresOfResults({ ...results, records });
    assert.equal(some.get('get.hedged.rate'), undefined);
    assert.equal(some.get('get.parallel.rate'), 10_000);
    assert.match(tableOf('rates', results, some), /\| GET, hedged \| not measured \|/);
  });

  test('of a benchmark are found by the texts of their row', () => {
    const some = figuresOfResults({ ...results, records: [doneRecord('peers', BENCH_ROWS)] });
    assert.equal(some.get('peers.rpc.put.requestsPerSecond'), 9_000);
    assert.equal(some.get('peers.http.put.p99Ms'), undefined);
    assert.equal(
      rowName('accumulator', { case: 'Slots: 3 replicas, 4 threads!' }),
      'accumulator.slots-3-replicas-4-threads',
    );
  });
});

describe('the tables of a report', () => {
  const results = reportResults();
  const figures = figuresOfResults(results);

  test('show medians with their spread', () => {
    const rows = tableOf('put', results, figures).split('\n');
    assert.equal(rows.length, 5);
    assert.match(rows[3], /^\| parallel \| 11,000 \(10,890 to 11,110\) \| /);
  });

  test('mark what the load itself may have made', () => {
    const records = results.records.map((record) =>
      record.step === 'get-turn-1'
        ? doneRecord('get-turn-1', {
            parallel: {
              closed: loadFigures(1),
              stable: loadFigures(1, { faults: ['the load itself was late'] }),
              predecessors: loadFigures(1),
            },
          })
        : record,
    );
    const text = tableOf('get', { ...results, records }, figures);
    assert.match(text, /\| parallel † \|/);
    assert.match(text, /\| hedged \|/);
    assert.match(text, /^† In one of the runs the load itself was late/m);
  });

  test('mark profiles that the load may have made', () => {
    const records = results.records.map((record) =>
      record.step === 'profile-get-hedged' && record.state === 'done'
        ? doneRecord(record.step, { ...(record.result as object), faults: ['the load itself was late'] })
        : record,
    );
    const text = tableOf('profiles', { ...results, records }, figures);
    assert.match(text, /^\| GET, hedged † \|/m);
    assert.match(text, /^\| GET, parallel \|/m);
    assert.match(text, /^† In one of the runs/m);
    assert.doesNotMatch(tableOf('profiles', results, figures), /†/);
  });

  test('show the longest waits of each profile', () => {
    assert.match(
      tableOf('waits', results, figures),
      /^\| PUT, parallel: node-1 › writer › disk › log › fdatasync \| 40 \| 500 \| 0\.8 \|$/m,
    );
  });

  test('of a benchmark have what is compared beside each other', () => {
    const some = { ...results, records: [doneRecord('peers', BENCH_ROWS)] };
    assert.equal(
      tableOf('peers', some, figuresOfResults(some)),
      [
        '| method | rpc requests, /s | http requests, /s | rpc cpu, µs | http cpu, µs | rpc p50, ms | http p50, ms | rpc p99, ms | http p99, ms |',
        '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
        '| PUT | 9,000 | 6,000 |  |  |  |  | 4.2 |  |',
        '| GET | 12,000 |  |  |  |  |  | 3 |  |',
      ].join('\n'),
    );
    assert.equal(tableOf('zones', some, new Map()), 'not measured');
  });

  test('that there are not are named', () => {
    assert.throws(() => tableOf('nothing', results, figures), { message: 'there is no table nothing' });
  });
});

test('the plots of a report are drawn of all replications, and the same twice', () => {
  const results = reportResults();
  const plots = plotsOf(results, figuresOfResults(results));
  assert.deepEqual(
    plots.map(({ name }) => name),
    [
      'rates',
      'put-flood',
      'put-predecessors-rate',
      'put-own-rate',
      'get-flood',
      'get-predecessors-rate',
      'get-own-rate',
    ],
  );
  for (const { svg } of plots) {
    assert.ok(svg.startsWith('<svg '));
    for (const replication of ['sequential', 'parallel', 'hedged'])
      assert.ok(svg.includes(`>${replication}</text>`));
  }
  assert.match(plots[0].svg, />12,000<\/text>/);
  assert.match(plots[1].svg, />99 %<\/text>/);
  assert.deepEqual(plotsOf(results, figuresOfResults(results)), plots);
});
