import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  columnTitle,
  describeCell,
  describeFigure,
  describeSeconds,
} from '../../../../bench/report/numbers.ts';

test('a figure is told in the unit that its name ends in', () => {
  for (const [name, value, text] of [
    ['put.parallel.rate', 10_512.4, '10,512/s'],
    ['limits.syncsPerSecond', 812.4, '812/s'],
    ['get.p99Ms', 0.12345, '0.123 ms'],
    ['get.p99Ms.max', 12, '12 ms'],
    ['get.cpuMicros', 64.25, '64.3 µs'],
    ['accumulator.perOperationNs', 36.04, '36 ns'],
    ['get.notFoundShare', 0.2309, '23.1 %'],
    ['fill.seconds', 31.5, '31.5 s'],
    ['profile.allocatedBytes', 5_120, '5,120 B'],
    ['machine.cores', 2, '2'],
    ['get.rate', Number.NaN, 'not measured'],
  ] as const)
    assert.equal(describeFigure(name, value), text);
});

test('a column names the unit, and its cells do not', () => {
  assert.equal(columnTitle('p99Ms'), 'p99, ms');
  assert.equal(columnTitle('contextSwitches'), 'context switches');
  assert.equal(columnTitle('requestsPerSecond'), 'requests, /s');
  assert.equal(columnTitle('rate'), '/s');
  assert.equal(describeCell('hedgedShare', 0.042), '4.2');
  assert.equal(describeCell('p99Ms', 4.25), '4.25');
});

test('times are minutes and seconds, and hours where there are any', () => {
  assert.equal(describeSeconds(0), '0:00');
  assert.equal(describeSeconds(65.4), '1:05');
  assert.equal(describeSeconds(3_600 + 125), '1:02:05');
});
