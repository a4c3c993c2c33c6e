import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNodeProfile } from '../../../../../src/cli/profile/node-profile-checks.ts';
import type { NodeProfile, ProfiledThread } from '../../../../../src/node-profile.ts';
import { cpuProfile, heapNode } from '../../../../support/profile-by-hand.ts';

const CPU = { userMs: 1, systemMs: 2 };
const WAIT = { path: ['disk', 'read'], isIdle: false, count: 1, totalMs: 2, buckets: [0, 1] };
const MAIN: ProfiledThread = {
  name: 'main',
  cpu: CPU,
  allocatedBytes: 100,
  cpuProfile: cpuProfile([['f > g', 5]]),
  heapProfile: { head: heapNode('(root)', 0), samples: [] },
  waits: [WAIT],
};
const GOOD: NodeProfile = {
  version: 1,
  node: 'node-1',
  endedBy: 'request',
  elapsedMs: 1000,
  cpu: CPU,
  voluntarySwitches: 7,
  involuntarySwitches: 3,
  osThreads: null,
  residentBytes: 1 << 20,
  threads: [MAIN, { ...MAIN, name: 'background-12', cpuProfile: null, heapProfile: null, waits: [] }],
};
const text = (changed: Readonly<Record<string, unknown>>): string => JSON.stringify({ ...GOOD, ...changed });
const withMain = (changed: Readonly<Record<string, unknown>>): string =>
  text({ threads: [{ ...MAIN, ...changed }] });

test('the profile of a node is read as the node writes it', () => {
  assert.deepEqual(parseNodeProfile(text({})), GOOD);
  assert.equal(parseNodeProfile(text({ osThreads: 12 })).osThreads, 12);
});

test('names that are no name of a node or a thread are refused: they become the names of files', () => {
  for (const node of ['..', '.', '', 'a/b', '../../x', 'a\\b', 'C:', '.hidden', 'nul', 'a\0', 7, null])
    assert.throws(() => parseNodeProfile(text({ node })), { message: 'node is not the id of a node' });
  for (const name of ['..', '', 'reader-1/../x', '../../x', 'reader-', 'reader-01', 'Main', 'a.b', 7, null]) {
    assert.throws(() => parseNodeProfile(withMain({ name })), {
      message: 'threads[0].name is not the name of a thread',
    });
  }
});

test('what is wrong in it is named by its place', () => {
  for (const [wrong, sentence] of [
    ['', /JSON/],
    ['[]', /^it is not an object$/],
    [text({ version: 2 }), /^its version is 2, and this command reads 1: use the node's own version of it$/],
    [text({ endedBy: 'luck' }), /^endedBy is not time, request or size$/],
    [text({ elapsedMs: '1' }), /^elapsedMs is not a number$/],
    [text({ cpu: { userMs: 1 } }), /^cpu\.systemMs is not a number$/],
    [text({ osThreads: undefined }), /^osThreads is not a number$/],
    [text({ threads: {} }), /^threads is not a list$/],
    [text({ threads: [MAIN, MAIN] }), /^threads is not a list of different threads$/],
    [withMain({ cpu: null }), /^threads\[0\]\.cpu is not an object$/],
    [withMain({ allocatedBytes: null }), /^threads\[0\]\.allocatedBytes is not a number$/],
    [withMain({ cpuProfile: 'samples' }), /^threads\[0\]\.cpuProfile is not an object$/],
    [withMain({ cpuProfile: { startTime: 1 } }), /^threads\[0\]\.cpuProfile\.endTime is not a number$/],
    [withMain({ heapProfile: {} }), /^threads\[0\]\.heapProfile\.head is not an object$/],
    [withMain({ waits: null }), /^threads\[0\]\.waits is not a list$/],
    [withMain({ waits: [{ ...WAIT, path: [1] }] }), /^threads\[0\]\.waits\[0\]\.path is not a text$/],
    [
      withMain({ waits: [{ ...WAIT, isIdle: 1 }] }),
      /^threads\[0\]\.waits\[0\]\.isIdle is not true or false$/,
    ],
  ] as const)
    assert.throws(() => parseNodeProfile(wrong), { message: sentence });
});
