import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadOperation } from '../../../../../src/cli/load/operation-mix.ts';
import { Tally } from '../../../../../src/cli/load/tally.ts';
import {
  type MeasuredRun,
  nodeFilesOf,
  nodeSummariesOf,
  overheadOf,
  runSummaryOf,
} from '../../../../../src/cli/profile/summary.ts';
import type { NodeProfile, ProfiledThread, ProfileKind } from '../../../../../src/node-profile.ts';
import { loadPlan } from '../../../../support/load-plan.ts';

const WAITS = [{ path: ['disk', 'read'], isIdle: false, count: 1, totalMs: 2, buckets: [0, 1] }];

function thread(name: string, more: Partial<ProfiledThread> = {}): ProfiledThread {
  const cpu = { userMs: 30, systemMs: 10 };
  return { name, cpu, allocatedBytes: 1000, cpuProfile: null, heapProfile: null, waits: [], ...more };
}

function profile(node: string, threads: readonly ProfiledThread[], userMs: number): NodeProfile {
  return {
    version: 1,
    node,
    endedBy: 'request',
    elapsedMs: 1000,
    cpu: { userMs, systemMs: 20 },
    voluntarySwitches: 7,
    involuntarySwitches: 3,
    osThreads: 12,
    residentBytes: 1 << 20,
    threads,
  };
}

function run(
  kind: ProfileKind | null,
  requests: number,
  profiles: readonly NodeProfile[],
  faults: readonly string[] = [],
): MeasuredRun {
  const tally = new Tally();
  for (let i = 0; i < requests; i++) tally.answered(LoadOperation.get, 200, 1000);
  return {
    kind,
    load: {
      plan: loadPlan(),
      tally,
      requestsPerSecond: requests,
      achievedShare: 1,
      seconds: [],
      busyShare: 0,
      faults,
      isCut: false,
    },
    profiles,
  };
}

const RUNS = [
  run(null, 100, [profile('a', [thread('main')], 80), profile('b', [thread('main')], 30)]),
  run('cpu', 50, [
    profile('a', [thread('main', { cpuProfile: 'samples' }), thread('background-1')], 130),
    profile('b', [thread('main')], 30),
  ]),
  run('waits', 200, [
    profile('a', [thread('main', { waits: WAITS })], 80),
    profile('b', [thread('main')], 30),
  ]),
  run(null, 300, [profile('a', [thread('main')], 280), profile('b', [thread('main')], 30)]),
];

test('what a node uses a request is that of the runs without a profile', () => {
  const [a, b] = nodeSummariesOf(RUNS);
  assert.equal(a.requests, 400);
  assert.equal(a.userMicrosPerRequest, 900);
  assert.equal(a.systemMicrosPerRequest, 100);
  assert.equal(b.userMicrosPerRequest, 150);
  assert.equal(a.allocatedBytesPerRequest, 5);
  assert.deepEqual([a.voluntarySwitches, a.involuntarySwitches, a.osThreads], [14, 6, 12]);
  assert.deepEqual(a.waits, [{ thread: 'main', waits: WAITS }]);
  assert.equal(nodeSummariesOf(RUNS.filter(({ kind }) => kind !== 'waits'))[0].waits, null);
});

test('a profile costs what a request costs more than without, weighed by requests', () => {
  const costs = overheadOf(RUNS.map(runSummaryOf));
  assert.deepEqual(costs, [
    { kind: 'cpu', withoutMicrosPerRequest: 1250, withMicrosPerRequest: 4000, ratio: 3.2 },
    { kind: 'waits', withoutMicrosPerRequest: 1250, withMicrosPerRequest: 750, ratio: 0.6 },
  ]);
});

test('each kind is taken from its own run, and from no other', () => {
  const [a, b] = nodeFilesOf(RUNS);
  const main = a.threads.find(({ name }) => name === 'main');
  assert.equal(main?.cpu, 'samples');
  assert.equal(main?.heap, null);
  assert.deepEqual(main?.waits, WAITS);
  const background = a.threads.find(({ name }) => name === 'background-1');
  assert.equal(background?.waits, null);
  assert.deepEqual(
    b.threads.map(({ name }) => name),
    ['main'],
  );
});

test('a run says why it may not be believed', () => {
  const cut = { ...profile('a', [], 1), endedBy: 'size' } as const;
  const late = { ...profile('b', [], 1), endedBy: 'time' } as const;
  const { faults } = runSummaryOf(run('heap', 0, [cut, late], ['the load itself was late']));
  assert.deepEqual(faults, [
    'the load itself was late',
    'no request was answered well',
    'the profile of a ended before the load, because it became too large',
    'the profile of b ended before the load, because the load took too long',
  ]);
});
