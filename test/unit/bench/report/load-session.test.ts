import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadFiguresOf, milliseconds } from '../../../../bench/report/load-session.ts';
import type { LoadFile } from '../../../../src/cli/load/json-report.ts';

const LATENCIES = { requests: 1_000, meanMs: 2, p50Ms: 1, p90Ms: 3, p99Ms: 5, p999Ms: 8, maxMs: 9 };
/** The part of the file that is read. */
const FILE = {
  plan: { ratePerSecond: 100 },
  requests: 1_000,
  requestsPerSecond: 100,
  achievedShare: 1,
  errors: 0,
  statuses: { 200: 770, 404: 230 },
  latencies: { all: LATENCIES },
  generator: { busyShare: 0.2 },
  faults: [],
  spectrum: [],
} as unknown as LoadFile;

test('CPU time a request is that of the run and its warm-up, over the requests of both', () => {
  // 1,200 requests in 12 s, on 2 cores of which the nodes had a tenth.
  const figures = loadFiguresOf(FILE, { cpuSeconds: 2.4, seconds: 10, warmUpSeconds: 2, cores: 2 });
  assert.equal(figures.cpuMicros, 2_000);
  assert.equal(Number(figures.nodesCpuShare?.toFixed(6)), 0.1);
  assert.equal(figures.notFoundShare, 0.23);
  assert.equal(figures.p99Ms, 5);
});

test('where the system does not tell CPU time, or nothing was answered, there is none', () => {
  const taken = { seconds: 10, warmUpSeconds: 2, cores: 2 };
  assert.equal(loadFiguresOf(FILE, { ...taken, cpuSeconds: undefined }).cpuMicros, null);
  const nothing = loadFiguresOf({ ...FILE, requests: 0, statuses: {} }, { ...taken, cpuSeconds: 1 });
  assert.equal(nothing.cpuMicros, null);
  assert.equal(nothing.notFoundShare, 0);
});

test('durations are told to load in whole milliseconds', () => {
  assert.equal(milliseconds(0.3), '300ms');
  assert.equal(milliseconds(46 / 460), '100ms');
});
