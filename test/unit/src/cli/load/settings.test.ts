import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharesOf } from '../../../../../src/cli/load/operation-mix.ts';
import {
  type LoadSettings,
  loadSettings,
  planOf,
  type RequestSettings,
  requestSettings,
} from '../../../../../src/cli/load/settings.ts';

const NO_QUORUM = { ack: undefined, from: undefined };
const LOAD: LoadSettings = {
  targets: loadSettings.targets.parse('http://127.0.0.1:19234'),
  ratePerSecond: undefined,
  connections: 64,
  durationMs: 1_000,
  warmUpMs: 0,
  threads: 1,
  seed: 1,
};
const REQUEST: RequestSettings = {
  method: 'get',
  mix: sharesOf({ get: 1 }),
  keys: 10,
  keyChoice: 'uniform',
  valueBytes: undefined,
  consistency: 'default',
  workload: 'none',
};

test('without a rate the loop is closed, and the method is all that is asked', () => {
  const plan = planOf(LOAD, { ...REQUEST, method: 'delete' }, NO_QUORUM);
  assert.equal(plan.ratePerSecond, 0);
  assert.deepEqual(plan.shares, sharesOf({ delete: 1 }));
  assert.deepEqual([plan.keyDigits, plan.valueBytes], [0, 0]);
});

test('a workload brings shares, keys that sort, and the size of its records', () => {
  const plan = planOf(LOAD, { ...REQUEST, workload: 'e' }, NO_QUORUM);
  assert.deepEqual(plan.shares, sharesOf({ scan: 95, insert: 5 }));
  assert.deepEqual([plan.keyChoice, plan.keyDigits, plan.valueBytes], ['zipfian', 12, 1_000]);
  assert.equal(planOf(LOAD, { ...REQUEST, workload: 'a', valueBytes: 7 }, NO_QUORUM).valueBytes, 7);
});

test('several nodes are named with commas', () => {
  assert.deepEqual(loadSettings.targets.parse('http://a:1, http://[::1]:2/'), [
    { host: 'a', port: 1 },
    { host: '::1', port: 2 },
  ]);
  for (const wrong of ['', 'a:1', 'https://a:1', 'http://a:1/x', 'http://a:1,'])
    assert.throws(() => loadSettings.targets.parse(wrong), /expected URLs/, wrong);
});

test('parts of a mix are read, and what is none is refused', () => {
  assert.deepEqual(requestSettings.mix.parse('get=1, put=3'), sharesOf({ get: 25, put: 75 }));
  for (const wrong of ['', 'get', 'get=-1', 'scan=1', 'get=1,get=2'])
    assert.throws(() => requestSettings.mix.parse(wrong), /expected parts/, wrong);
  assert.throws(() => requestSettings.mix.parse('get=0'), /above 0/);
});

test('each thread needs a connection', () => {
  assert.throws(
    () => planOf({ ...LOAD, connections: 2, threads: 3 }, REQUEST, NO_QUORUM),
    /--threads 3 is more/,
  );
});
