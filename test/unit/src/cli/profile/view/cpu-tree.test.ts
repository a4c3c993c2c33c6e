import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cpuTreeOf, WAITING_FUNCTIONS } from '../../../../../../src/cli/profile/view/cpu-tree.ts';
import { cpuProfile, oneThread, threadFiles } from '../../../../../support/profile-by-hand.ts';
import { stackLines } from '../../../../../support/stack-lines.ts';

const WRITE =
  'answer@file:///home/me/quorate/src/http/entity-exchange.ts:73 > writeGeneric@node:internal/stream_base_commons:150 > writeLatin1String';

test('a thread’s time is shown by node, thread and function, and time with nothing to do is left out', () => {
  const cpu = cpuProfile([
    ['(idle)', 100],
    ['onTurn@file:///home/me/quorate/src/node/node.ts:10', 3],
    ['onTurn@file:///home/me/quorate/src/node/node.ts:10 > parse@/x/node_modules/msgpackr/unpack.js:7', 2],
    ['(garbage collector)', 1],
    ['@node:events:9', 4],
  ]);
  const tree = cpuTreeOf([
    { name: 'node-1', threads: [threadFiles('main', { cpu }), threadFiles('writer', {})] },
    { name: 'node-2', threads: [threadFiles('reader-1', { cpu: cpuProfile([['step', 5]]) })] },
  ]);
  assert.deepEqual(stackLines(tree), [
    'node-1 > main > (anonymous) node:events:9 4',
    'node-1 > main > (garbage collector) 1',
    'node-1 > main > onTurn src/node/node.ts:10 3',
    'node-1 > main > onTurn src/node/node.ts:10 > parse node_modules/msgpackr/unpack.js:7 2',
    'node-2 > reader-1 > step [native] 5',
  ]);
  assert.equal(tree.total, 15);
});

test('a native call to the system is kernel time below the function that asked for it', () => {
  const cpu = cpuProfile([
    [WRITE, 30],
    ['sync@/p/native-free-lsm/fs/fs.ts:5 > fdatasyncSync@node:fs:1 > fdatasync', 20],
    // The same name from elsewhere is no call to the system.
    ['f@/p/src/x.ts:1 > writeLatin1String', 5],
  ]);
  assert.deepEqual(stackLines(cpuTreeOf(oneThread({ cpu }))), [
    'node-1 > main > answer src/http/entity-exchange.ts:73 > writeGeneric node:internal/stream_base_commons:150 > writeLatin1String [native] > [kernel] socket write 30',
    'node-1 > main > f src/x.ts:1 > writeLatin1String [native] 5',
    'node-1 > main > sync native-free-lsm/fs/fs.ts:5 > fdatasyncSync node:fs:1 > fdatasync [native] > [kernel] file fdatasync 20',
  ]);
});

test('kernel time that no sampled call explains is taken from the event loop, and no more than there is', () => {
  const cpu = cpuProfile([
    [WRITE, 30],
    ['(program)', 50],
    ['run@/p/src/x.ts:1', 20],
    ['(idle)', 900],
  ]);
  const loop = (systemMs: number, userMs: number): string[] =>
    stackLines(cpuTreeOf(oneThread({ cpu, sampledCpu: { systemMs, userMs } })))
      .filter((line) => line.includes('(event loop)'))
      .map((line) => line.replace('node-1 > main > ', ''));
  // 60 ms in the kernel, of which 30 are the sampled writes.
  assert.deepEqual(loop(60, 40), ['(event loop) 20', '(event loop) > [kernel] socket reads and polling 30']);
  assert.deepEqual(loop(30, 70), ['(event loop) 50']);
  assert.deepEqual(loop(100, 0), ['(event loop) > [kernel] socket reads and polling 50']);
  // Another program had half of the CPU: 100 ms of samples stand for 50 ms of CPU time.
  assert.deepEqual(loop(30, 20), ['(event loop) 20', '(event loop) > [kernel] socket reads and polling 30']);
  assert.deepEqual(loop(0, 0), ['(event loop) 50']);
});

test('a sync that waits for the disk is no CPU time by which the thread’s is stretched', () => {
  const cpu = cpuProfile([
    ['sync@/p/x.ts:5 > fdatasyncSync@node:fs:1 > fdatasync', 900],
    ['(program)', 50],
    ['run@/p/src/x.ts:1', 50],
  ]);
  const lines = stackLines(cpuTreeOf(oneThread({ cpu, sampledCpu: { systemMs: 20, userMs: 80 } })));
  assert.ok(
    lines.includes('node-1 > main > (event loop) > [kernel] socket reads and polling 20'),
    `${lines}`,
  );
});

test('without the thread’s CPU time nothing is attributed; without samples there is nothing', () => {
  const cpu = cpuProfile([['(program)', 50]]);
  assert.deepEqual(stackLines(cpuTreeOf(oneThread({ cpu }))), ['node-1 > main > (event loop) 50']);
  assert.equal(cpuTreeOf(oneThread({})).total, 0);
  const empty = { nodes: [], startTime: 1, endTime: 1, samples: [], timeDeltas: [] };
  assert.equal(cpuTreeOf(oneThread({ cpu: empty })).total, 0);
});

test('a difference of times below zero takes nothing away', () => {
  const cpu = {
    ...cpuProfile([
      ['a', 5],
      ['b', 5],
    ]),
    timeDeltas: [0, -3000],
    endTime: 5_002_000,
  };
  assert.deepEqual(stackLines(cpuTreeOf(oneThread({ cpu }))), ['node-1 > main > b [native] 5']);
});

test('every function of the engine that calls Atomics.wait is known as one that waits', () => {
  const root = path.resolve(import.meta.dirname, '../../../../../..');
  const found = new Set<string>();
  for (const file of readdirSync(path.join(root, 'native-free-lsm'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.includes('node_modules')) continue;
    let method = '';
    for (const line of readFileSync(path.join(root, 'native-free-lsm', file), 'utf8').split('\n')) {
      method = /^(?: {2})?(?:export )?(?:async )?(?:function )?([#\w]+)\(.*\{$/.exec(line)?.[1] ?? method;
      if (line.includes('Atomics.wait(')) found.add(`${method} native-free-lsm/${file}`);
    }
  }
  assert.deepEqual([...found].sort(), [...WAITING_FUNCTIONS].sort());
});
