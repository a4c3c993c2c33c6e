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

test('the files of the published package are ours, what it carries are libraries, and its threads wait', () => {
  const dist = 'file:///usr/lib/node_modules/quorate/dist';
  const cpu = cpuProfile([
    [`onTurn@${dist}/src/node/node.js:10`, 3],
    [`onTurn@${dist}/src/node/node.js:10 > parse@${dist}/vendor/msgpackr/unpack.js:7`, 2],
    [`wait@${dist}/native-free-lsm/shared/ring.js:9`, 50],
  ]);
  const tree = cpuTreeOf([{ name: 'node-1', threads: [threadFiles('writer', { cpu })] }]);
  assert.deepEqual(stackLines(tree), [
    'node-1 > writer > onTurn src/node/node.js:10 3',
    'node-1 > writer > onTurn src/node/node.js:10 > parse node_modules/msgpackr/unpack.js:7 2',
  ]);
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

const SYNC = 'sync@/p/native-free-lsm/fs/fs.ts:5 > fdatasyncSync@node:fs:1 > fdatasync';
const WAIT = 'wait@/p/native-free-lsm/shared/ring.ts:290';

function measured(
  stacks: readonly (readonly [string, number])[],
  userMs: number,
  systemMs: number,
): string[] {
  const tree = cpuTreeOf(oneThread({ cpu: cpuProfile(stacks), sampledCpu: { userMs, systemMs } }));
  return stackLines(tree).map((line) => line.replace('node-1 > main > ', ''));
}

test('what is shown of a thread is its CPU time; system time that no call explains was spent in the event loop', () => {
  const stacks = [
    [WRITE, 30],
    ['(program)', 50],
    ['run@/p/src/x.ts:1', 20],
    ['(idle)', 900],
  ] as const;
  const write =
    'answer src/http/entity-exchange.ts:73 > writeGeneric node:internal/stream_base_commons:150 > writeLatin1String [native] > [kernel] socket write';
  assert.deepEqual(measured(stacks, 70, 50), [
    '(event loop) > [kernel] socket reads and polling 20',
    '(native code outside of functions) 50',
    `${write} 30`,
    'run src/x.ts:1 20',
  ]);
  // Others had the CPU for half of the time: samples are worth half.
  assert.deepEqual(measured(stacks, 35, 25), [
    '(event loop) > [kernel] socket reads and polling 10',
    '(native code outside of functions) 25',
    `${write} 15`,
    'run src/x.ts:1 10',
  ]);
  // Writes cannot have used more than the thread used in the kernel; libuv's user time is in no sample of a function.
  assert.deepEqual(measured(stacks, 80, 6), [
    '(event loop) 10',
    '(native code outside of functions) 50',
    `${write} 6`,
    'run src/x.ts:1 20',
  ]);
  assert.deepEqual(measured(stacks, 0, 0), []);
});

test('of a sync and of waits for requests only the CPU time is shown, by how long the thread was in each', () => {
  const stacks = [
    [SYNC, 300],
    [WAIT, 600],
    ['run@/p/src/x.ts:1', 100],
  ] as const;
  assert.deepEqual(measured(stacks, 100, 9), [
    'run src/x.ts:1 100',
    'sync native-free-lsm/fs/fs.ts:5 > fdatasyncSync node:fs:1 > fdatasync [native] > [kernel] file fdatasync 3',
    'wait native-free-lsm/shared/ring.ts:290 > [kernel] waits, wake-ups and page faults 6',
  ]);
});

test('a thread that was never seen asleep has its system time below what it did', () => {
  assert.deepEqual(measured([['run@/p/src/x.ts:1', 10]], 8, 2), [
    'run src/x.ts:1 8',
    'run src/x.ts:1 > [kernel] waits, wake-ups and page faults 2',
  ]);
});

test('starting the samplers is no work of the program', () => {
  const cpu = cpuProfile([
    ['begin@/p/src/x.ts:1 > startCpuProfile@node:v8:223', 180],
    ['begin@/p/src/x.ts:1', 5],
  ]);
  assert.deepEqual(stackLines(cpuTreeOf(oneThread({ cpu }))), ['node-1 > main > begin src/x.ts:1 5']);
});

test('where the system has not counted samples stand for themselves; without samples there is nothing', () => {
  const cpu = cpuProfile([
    ['(program)', 50],
    ['(idle)', 900],
    [WAIT, 100],
    ['run@/p/src/x.ts:1', 20],
  ]);
  assert.deepEqual(stackLines(cpuTreeOf(oneThread({ cpu }))), [
    'node-1 > main > (native code outside of functions) 50',
    'node-1 > main > run src/x.ts:1 20',
  ]);
  assert.equal(cpuTreeOf(oneThread({})).total, 0);
  const empty = { nodes: [], startTime: 1, endTime: 1, samples: [], timeDeltas: [] };
  assert.equal(cpuTreeOf(oneThread({ cpu: empty })).total, 0);
});

test('a sample that is written behind a later one makes no time count twice', () => {
  const cpu = {
    ...cpuProfile([
      ['a', 5],
      ['b', 5],
      ['c', 5],
    ]),
    // At 0, 5, 2 and 9 ms.
    timeDeltas: [0, 5_000, -3_000],
    endTime: 5_009_000,
  };
  const tree = cpuTreeOf(oneThread({ cpu }));
  assert.deepEqual(stackLines(tree), ['node-1 > main > a [native] 5', 'node-1 > main > c [native] 4']);
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
