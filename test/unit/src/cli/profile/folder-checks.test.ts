import assert from 'node:assert/strict';
import { test } from 'node:test';
import v8 from 'node:v8';
import {
  parseCpuProfile,
  parseHeapProfile,
  parseSummary,
} from '../../../../../src/cli/profile/folder-checks.ts';
import { cpuProfile, heapNode } from '../../../../support/profile-by-hand.ts';

type Changed = Readonly<Record<string, unknown>>;

const SUMMARY = {
  version: 1,
  kinds: ['cpu', 'waits'],
  files: ['node-1/main.cpuprofile'],
  runs: [{ kind: 'cpu', requests: 10 }],
  nodes: [
    {
      name: 'node-1',
      sampledThreads: [{ thread: 'main', cpu: { userMs: 1, systemMs: 2 } }],
      waits: [
        { thread: 'main', waits: [{ path: ['disk'], isIdle: false, count: 1, totalMs: 1, buckets: [1] }] },
      ],
    },
  ],
};
const summary = (changed: Changed): string => JSON.stringify({ ...SUMMARY, ...changed });

test('a summary is read, and what is wrong in one is named by its place', () => {
  assert.deepEqual(parseSummary(summary({})) as unknown, SUMMARY);
  const node = SUMMARY.nodes[0];
  for (const [text, sentence] of [
    ['[', /JSON/],
    ['null', /^it is not an object$/],
    [summary({ version: 2 }), /^its version is 2, and this version of Quorate reads 1: make both profiles/],
    [summary({ kinds: ['locks'] }), /^kinds is not a list of cpu, heap and waits$/],
    [summary({ files: ['../../secret'] }), /^files is not a list of paths within the folder$/],
    [summary({ files: ['/secret'] }), /^files is not a list of paths within the folder$/],
    [summary({ runs: [{ kind: 'cpu' }] }), /^runs\[0\]\.requests is not a number$/],
    [summary({ nodes: [{ ...node, name: 1 }] }), /^nodes\[0\]\.name is not a text$/],
    [
      summary({ nodes: [{ ...node, sampledThreads: [{ thread: 'main', cpu: { userMs: 1 } }] }] }),
      /^nodes\[0\]\.sampledThreads\[0\]\.cpu\.systemMs is not a number$/,
    ],
    [
      summary({
        nodes: [{ ...node, waits: [{ waits: [{ path: [], isIdle: false, count: 1, totalMs: 1 }] }] }],
      }),
      /^nodes\[0\]\.waits\[0\]\.waits\[0\]\.buckets is not a list$/,
    ],
  ] as const)
    assert.throws(() => parseSummary(text), { message: sentence });
});

test('a profile of CPU is read as V8 writes it, and what is wrong in one is named by its place', () => {
  const handle = v8.startCpuProfile({ sampleInterval: 1, maxBufferSize: 1_000 });
  const real = handle.stop();
  assert.deepEqual(parseCpuProfile(real), JSON.parse(real));
  const good = cpuProfile([['f > g', 5]]);
  const [root, f, g] = good.nodes;
  for (const [changed, sentence] of [
    [{ endTime: '5' }, /^endTime is not a number$/],
    [{ nodes: [{ id: 1 }] }, /^nodes\[0\]\.callFrame is not an object$/],
    [{ samples: [9] }, /^samples\[0\] is not the id of a node$/],
    [{ timeDeltas: [] }, /^timeDeltas is not as long as samples$/],
    [{ timeDeltas: [null] }, /^timeDeltas\[0\] is not a number$/],
    [{ nodes: [root, f, { ...g, children: [f.id] }] }, /^nodes is not a tree$/],
    [{ nodes: [root, f, { ...g, children: [root.id] }] }, /^nodes is not a tree$/],
  ] as const)
    assert.throws(() => parseCpuProfile(JSON.stringify({ ...good, ...changed })), { message: sentence });
});

test('a profile of allocations is read as V8 writes it, and what is wrong in one is named by its place', () => {
  const handle = v8.startHeapProfile({ sampleInterval: 1024, stackDepth: 8 });
  const real = handle.stop();
  assert.deepEqual(parseHeapProfile(real), JSON.parse(real));
  const head = heapNode('(root)', 0, [heapNode('f', 'much' as unknown as number)]);
  assert.throws(() => parseHeapProfile(JSON.stringify({ head })), {
    message: /^head\.children\[0\]\.selfSize is not a number$/,
  });
  assert.throws(() => parseHeapProfile('{}'), { message: /^head is not an object$/ });
});
