/** What is planted into a thread of a real engine, or into the main thread, is found where it was planted. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import v8 from 'node:v8';
import { encodeRecord, RecordStore } from '../../../native-free-lsm/index.ts';
import type { CpuProfile, HeapProfile } from '../../../src/cli/profile/profile-folder.ts';
import { systemClock } from '../../../src/clock.ts';
import { NodeProfiler } from '../../../src/node/profiling/node-profiler.ts';
import type { NodeProfile, ProfileKind } from '../../../src/node-profile.ts';
import { until } from '../../support/until.ts';

const ENTRIES = 8;
/** Where the sampler itself had to wait for the machine, its samples say nothing; a fault of the profile is in each. */
const ATTEMPTS = 20;
const IDLE_TIMEOUT_MS = 10_000;
/** Several looks at what the threads have allocated. */
const IDLE_MS = 350;
const REQUEST = { durationMs: 60_000, cpuIntervalMs: 1, heapIntervalBytes: 16 * 1024 };
const log = {
  info: () => undefined,
  warn: (message: string) => assert.fail(message),
  error: (message: string) => assert.fail(message),
};

describe('a profile of an engine', { timeout: 240_000 }, () => {
  let directory: string;
  let store: RecordStore;
  let profiler: NodeProfiler;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-profiling-'));
    const encoder = new URL('./planted-encoder.ts', import.meta.url).href;
    store = RecordStore.open(directory, { entryEncoders: [encoder] });
    profiler = new NodeProfiler({ nodeId: 'node-1', engine: store, clock: systemClock, log });
    for (let i = 0; i < ENTRIES; i++) await put(`key${i}`);
  });
  after(async () => {
    await profiler.close();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });

  const put = (key: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const fields = { timestamp: 1, writer: 0, tombstone: false, from: 1, expiryMs: 0 };
      const onWrite = (_t: number, _s: number, _m: number, _w: number, error: Error | null): void =>
        error === null ? resolve() : reject(error);
      store.write(Buffer.from(key), encodeRecord(fields, Buffer.from('value')), { onWrite }, 0);
    });

  const profiled = async (kinds: readonly ProfileKind[], work: () => Promise<void> | void) => {
    using running = await profiler.begin({ ...REQUEST, kinds });
    await work();
    running.end();
    const document = await running.document;
    assert.ok(document !== null);
    const profile = JSON.parse(document.join('')) as NodeProfile;
    const thread = (name: string) => {
      const found = profile.threads.find((candidate) => candidate.name === name);
      assert.ok(found !== undefined, `no ${name} in ${profile.threads.map((each) => each.name)}`);
      return found;
    };
    return { profile, thread };
  };

  const waitsOf = ({ waits }: NodeProfile['threads'][number]): string[] =>
    waits.map(({ path }) => path.join(', '));

  test('every thread is there by its role, those that wait for work too', async () => {
    const { thread: during } = await profiled(['cpu', 'heap', 'waits'], () => store.flush());
    // The first flush starts the thread, which may come and do all its work between two looks for new ones.
    const came = during('background-1');
    assert.ok(came.allocatedBytes > 0 && came.cpu.userMs + came.cpu.systemMs > 0);
    assert.ok(came.waits.some(({ path }) => path.join(', ') === 'disk, tables, fdatasync'));

    const { profile, thread } = await profiled(['cpu', 'heap', 'waits'], () => put('another'));
    assert.equal(profile.node, 'node-1');
    assert.equal(profile.endedBy, 'request');
    const names = profile.threads.map(({ name }) => name).sort();
    assert.deepEqual(names, ['background-1', 'main', 'reader-1', 'writer']);
    for (const name of names) {
      const { cpuProfile, heapProfile } = thread(name);
      assert.ok((cpuProfile as CpuProfile).nodes.length > 0, name);
      assert.ok((heapProfile as HeapProfile).head.callFrame !== undefined, name);
    }
    assert.ok(waitsOf(thread('writer')).includes('disk, log, fdatasync (group commit)'));
  });

  test('threads with nothing to do are idle', async () => {
    // On a busy machine a thread may be late all the time of a short profile.
    await until(
      async () => {
        const { thread } = await profiled(['waits'], () => put('another'));
        return ['background-1', 'main'].every((name) => waitsOf(thread(name)).includes('event loop, idle'));
      },
      IDLE_TIMEOUT_MS,
      () => 'no profile has both of them idle',
    );
  });

  test('what a reader computes, blocks for and waits for has its share, within a tenth', async () => {
    let off: string[] = [];
    for (let attempt = 0; attempt === 0 || (off.length > 0 && attempt < ATTEMPTS); attempt++) {
      let truth: readonly number[] = [];
      const { thread } = await profiled(['cpu'], async () => {
        truth = await readPlanted(store);
      });
      const cpu = thread('reader-1').cpuProfile as CpuProfile;
      off = PLANTED.flatMap((planted, index) => offByMore(timeIn(cpu, planted), truth[index], planted));
      for (const other of ['main', 'writer', 'background-1'])
        for (const planted of PLANTED)
          assert.equal(timeIn(thread(other).cpuProfile as CpuProfile, planted), 0, `${planted} in ${other}`);
    }
    assert.deepEqual(off, []);
  });

  test('what main allocates has its size, within a tenth, though it does not live', async () => {
    let bytes = 0;
    const { thread } = await profiled(['heap'], () => {
      const before = v8.getHeapStatistics().total_allocated_bytes;
      plantedAllocation();
      bytes = v8.getHeapStatistics().total_allocated_bytes - before;
    });
    assert.ok(bytes > 50e6, `${bytes}`);
    const found = bytesOf((thread('main').heapProfile as HeapProfile).head, 'plantedAllocation');
    assert.deepEqual(offByMore(found, bytes, 'bytes'), []);
    assert.ok(thread('main').allocatedBytes >= bytes);
  });

  test('there is one at a time, and another when that has ended or was cancelled', async () => {
    const running = await profiler.begin({ ...REQUEST, kinds: ['cpu', 'heap'] });
    await assert.rejects(profiler.begin({ ...REQUEST, kinds: [] }), { code: 'CONFLICT' });
    running[Symbol.dispose]();
    assert.equal(await running.document, null);
    using short = await profiler.begin({ ...REQUEST, kinds: ['cpu', 'heap', 'waits'], durationMs: 10 });
    const document = await short.document;
    assert.equal((JSON.parse(document?.join('') ?? '') as NodeProfile).endedBy, 'time');
    assert.equal(profiler.end(), false);
    await assert.rejects(profiler.begin({ ...REQUEST, kinds: [] }), { code: 'CONFLICT' });
    short[Symbol.dispose]();
    (await profiler.begin({ ...REQUEST, kinds: [] }))[Symbol.dispose]();
  });

  test('a node that does nothing is not made to write: nothing is appended to its log, or synced', async () => {
    await put('the last one');
    await store.maintenanceIdle();
    const logBytes = (): number[] =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.log'))
        .map((name) => statSync(join(directory, name)).size);
    const before = logBytes();
    assert.ok(before.length > 0);
    const { profile, thread } = await profiled(['heap', 'waits'], () => pause(IDLE_MS));
    assert.deepEqual(logBytes(), before);
    const waits = profile.threads.flatMap(({ waits: all }) => all.map(({ path }) => path.join(', ')));
    assert.deepEqual(
      waits.filter((path) => path.startsWith('disk, ')),
      [],
    );
    for (const name of ['writer', 'reader-1'])
      assert.ok(
        thread(name).waits.some(({ path }) => path[0] === 'ring'),
        `${name} was not woken`,
      );
  });
});

const PLANTED = ['plantedHot', 'plantedBlock', 'plantedWait'];

/** Has the reader thread run what is planted. @returns how long each took, as the thread itself has measured it */
async function readPlanted(store: RecordStore): Promise<number[]> {
  const request = { start: Buffer.from('key0'), end: Buffer.from('kez'), maxBytes: 1 << 16, maxEntries: 100 };
  const page = await store.rangePage({ ...request, includeTombstones: false, encoder: 1, nowMs: 1 });
  const bytes = Buffer.from(page.bytes.subarray(0, page.usedBytes));
  const truth = [0, 0, 0];
  let entries = 0;
  for (let at = bytes.indexOf('value'); at !== -1; at = bytes.indexOf('value', at)) {
    at += 'value'.length;
    for (const index of truth.keys()) truth[index] += bytes.readDoubleBE(at + 8 * index);
    entries++;
  }
  assert.equal(entries, ENTRIES);
  return truth;
}

/** It holds nothing of what it makes for long. */
function plantedAllocation(): number {
  let last: number[] = [];
  for (let i = 0; i < 60_000; i++) last = new Array<number>(128).fill(i);
  return last.length;
}

/** In milliseconds, with what it calls. The time between two samples is shared by both. */
function timeIn({ nodes, samples, timeDeltas }: CpuProfile, functionName: string): number {
  const within = new Set<number>();
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const visit = (id: number, isWithin: boolean): void => {
    const node = byId.get(id);
    const isIn = isWithin || node?.callFrame.functionName === functionName;
    if (isIn) within.add(id);
    for (const child of node?.children ?? []) visit(child, isIn);
  };
  visit(nodes[0].id, false);
  let micros = 0;
  for (const [index, id] of samples.entries())
    if (within.has(id)) micros += (timeDeltas[index] + (timeDeltas[index + 1] ?? 0)) / 2;
  return micros / 1000;
}

function bytesOf(node: HeapProfile['head'], functionName: string): number {
  const own = node.callFrame.functionName === functionName ? node.selfSize : 0;
  return node.children.reduce((bytes, child) => bytes + bytesOf(child, functionName), own);
}

/** @returns a sentence when it is off by more than a tenth */
function offByMore(found: number, planted: number, what: string): string[] {
  return Math.abs(found - planted) <= planted / 10 ? [] : [`${what}: ${found} of ${planted}`];
}
