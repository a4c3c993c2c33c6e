/** Threads that cannot be started, and that end by themselves. What those that run do is in test/contract/engine. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { systemEngineClock } from '../../../../native-free-lsm/clock.ts';
import { type Engine, type LsmError, open } from '../../../../native-free-lsm/index.ts';
import { createControl } from '../../../../native-free-lsm/shared/control.ts';
import { MemoryFileSystem } from '../../../../native-free-lsm/simulation/index.ts';
import type { ExecutorContext, RoleHandle } from '../../../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../../../native-free-lsm/threads/pool.ts';
import type {
  CheckpointJob,
  ReaderInit,
} from '../../../../native-free-lsm/threads/protocol/posted-messages.ts';
import { SingleThreadExecutor } from '../../../../native-free-lsm/threads/single-thread-executor.ts';
import type { PoolOptions } from '../../../../native-free-lsm/threads/thread-pool.ts';
import { until } from '../../../support/until.ts';

const KEY = Buffer.from('key');
/** Too large for a cache that is not to hold anything. */
const VALUE = 'x'.repeat(5000);

for (const { what, when, singleThread } of [
  { what: 'threads end before they are given anything', when: 'execArgv', singleThread: false },
  { what: 'threads cannot load what they are to run', when: 'filename', singleThread: false },
  { what: 'only thread ends before it is given anything', when: 'execArgv', singleThread: true },
] as const) {
  test(`an engine whose ${what} serves what it can read itself, and says why it does no more`, async () => {
    await using folder = {
      path: await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-')),
      [Symbol.asyncDispose]: () => rm(folder.path, { recursive: true }),
    };
    const directory = join(folder.path, 'db');
    {
      await using engine = await open(directory);
      await engine.put(KEY, Buffer.from(VALUE));
      await engine.flush();
    }
    const broken = join(folder.path, 'broken.mjs');
    // Node 22.15 forgets what a module has thrown once it is asked for it a second time, but not that one is missing.
    const code = when === 'filename' ? "import './no such luck.mjs';" : "throw new Error('no such luck');";
    await writeFile(broken, code);
    const url = pathToFileURL(broken).href;
    const options = when === 'filename' ? { filename: url } : { execArgv: ['--import', url] };
    const reports: string[] = [];
    const engine = await open(
      directory,
      { blockCacheBytes: 0, singleThread },
      {
        executor: (context) =>
          singleThread ? new SingleThreadExecutor(context, options) : new PoolExecutor(context, options),
        report: (message) => void reports.push(message),
      },
    );
    assert.equal(String(await engine.get(KEY)), VALUE);
    assert.equal(String(engine.getSync(KEY)), VALUE);
    const refused = { code: 'WORKER_DIED', message: /the writer thread cannot be started.*no such luck/ };
    const writes = [engine.put(KEY, Buffer.from('new')), engine.put(KEY, Buffer.from('newer'))];
    for (const write of writes) await assert.rejects(write, refused);
    await assert.rejects(engine.put(KEY, Buffer.from('late')), refused);
    const condition = engine.stats().conditions.find(({ code }) => code === 'WRITER_FAILING');
    assert.ok(condition?.stopsWrites && condition.message.includes('no such luck'));
    await assert.rejects(Array.fromAsync(engine.range()), { code: 'WORKER_DIED' });
    assert.ok(reports.some((report) => /a reader thread cannot be started.*no such luck/.test(report)));
    assert.equal(String(await engine.get(KEY)), VALUE);
    await engine.close();

    await using again = await open(directory);
    assert.equal(String(await again.get(KEY)), VALUE);
  });
}

test('an opening tells that Node may start no threads', async (t) => {
  const before = process.permission;
  t.after(() => Object.assign(process, { permission: before }));
  Object.assign(process, { permission: { has: (scope: string) => scope !== 'worker' } });
  const directory = join(tmpdir(), `native-free-lsm-${process.pid}-no-threads`);
  t.after(() => rm(directory, { recursive: true }));
  await assert.rejects(open(directory), { code: 'WORKER_DIED', message: /--allow-worker/ });
  Object.assign(process, { permission: before });
  // The directory is free once what had been opened is closed again.
  let engine: Engine | undefined;
  const isFree = async (): Promise<boolean> => {
    engine = await open(directory).catch((error: LsmError) => {
      assert.equal(error.code, 'LOCKED');
      return undefined;
    });
    return engine !== undefined;
  };
  await until(isFree, 10_000, () => 'the directory is locked still');
  await engine?.close();
});

test('background threads end when nothing was to be done for a while, and start again for the next job', async () => {
  await using folder = {
    path: await mkdtemp(join(tmpdir(), 'native-free-lsm-idle-')),
    [Symbol.asyncDispose]: () => rm(folder.path, { recursive: true }),
  };
  let executor: PoolExecutor | undefined;
  await using engine = await open(
    join(folder.path, 'db'),
    {},
    {
      executor: (context) => {
        executor = new PoolExecutor(context, { idleTimeout: 20 });
        return executor;
      },
    },
  );
  const names = (): string[] => executor?.threads.list().map(({ name }) => name) ?? [];
  for (let round = 0; round < 3; round++) {
    await engine.put(KEY, Buffer.from(`${round}`));
    await engine.flush();
    assert.equal(String(await engine.get(KEY)), `${round}`);
    await until(
      () => !names().some((name) => name.startsWith('background')),
      30_000,
      () => names().join(),
    );
    await until(
      () => names().includes('writer') && names().includes('reader-1'),
      30_000,
      () => names().join(),
    );
  }
});

const EXECUTORS = [
  ['pool', (context: ExecutorContext, options?: PoolOptions) => new PoolExecutor(context, options)],
  [
    'single thread',
    (context: ExecutorContext, options?: PoolOptions) => new SingleThreadExecutor(context, options),
  ],
] as const;

function contextOf(control: SharedArrayBuffer): ExecutorContext {
  return {
    control,
    fs: new MemoryFileSystem(),
    clock: systemEngineClock,
    threads: 2,
    backgroundThreads: 1,
    isSingleThread: false,
    onResponses: () => undefined,
  };
}

for (const [name, make] of EXECUTORS) {
  test(`a job that is given to a ${name} after its end is refused`, async () => {
    const control = createControl();
    const executor = make(contextOf(control));
    await executor.close();
    const job = { spec: { directory: '/db', target: '/copy' }, control } as unknown as CheckpointJob;
    await assert.rejects(executor.runCheckpoint(job), {
      code: 'WORKER_DIED',
      message: /closed|ended/,
    });
  });
}

test('what a single thread had in hand is refused when it ends without a word', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const silent = join(folder, 'silent.mjs');
  await writeFile(silent, 'export const run = () => undefined;');
  const control = createControl();
  const executor = new SingleThreadExecutor(contextOf(control), { filename: pathToFileURL(silent).href });
  const job = { spec: { directory: '/db', target: '/copy' }, control } as unknown as CheckpointJob;
  await assert.rejects(executor.runCheckpoint(job), { code: 'WORKER_DIED', message: /it has ended/ });
  await executor.close();
});

test('an engine whose threads find too many files open says what to do', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const failing = join(folder, 'failing.mjs');
  await writeFile(failing, "throw new Error('EMFILE: too many open files, open x');");
  const options = { execArgv: ['--import', pathToFileURL(failing).href] };
  const engine = await open(
    join(folder, 'db'),
    {},
    { executor: (context) => new PoolExecutor(context, options) },
  );
  const message = /EMFILE.*raise the limit \(ulimit -n\)/;
  await assert.rejects(engine.put(KEY, Buffer.from(VALUE)), { code: 'WORKER_DIED', message });
  await engine.close();
});

test('an engine whose threads end without an error before they take anything says so, and can be closed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const ending = join(folder, 'ending.mjs');
  await writeFile(ending, 'process.exit(5);');
  const options = { execArgv: ['--import', pathToFileURL(ending).href] };
  for (const singleThread of [false, true]) {
    const engine = await open(
      join(folder, `${singleThread}`),
      { singleThread },
      {
        executor: (context) =>
          singleThread ? new SingleThreadExecutor(context, options) : new PoolExecutor(context, options),
      },
    );
    await assert.rejects(engine.put(KEY, Buffer.from(VALUE)), { code: 'WORKER_DIED' });
    await engine.close();
  }
});

test('a reader that fails at once is started again with pauses that grow', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const worker = import.meta.resolve('../../../../native-free-lsm/threads/worker.ts');
  const refusing = join(folder, 'refusing.mjs');
  await writeFile(
    refusing,
    `const { run } = await import(${JSON.stringify(worker)});
    const refuse = async (task) => {
      if (task.role === 'reader') throw new Error('no code for a reader');
      return run(task);
    };
    export { refuse as run };`,
  );
  const startsMs: number[] = [];
  class WatchedPool extends PoolExecutor {
    override startReader(init: ReaderInit): RoleHandle {
      startsMs.push(performance.now());
      return super.startReader(init);
    }
  }
  await using engine = await open(
    join(folder, 'db'),
    {},
    { executor: (context) => new WatchedPool(context, { filename: pathToFileURL(refusing).href }) },
  );
  await engine.put(KEY, VALUE);
  await until(
    () => startsMs.length >= 5,
    30_000,
    () => `${startsMs.length} starts`,
  );
  // 100, 200, 400 and 800 ms.
  const tookMs = startsMs[4] - startsMs[0];
  assert.ok(tookMs > 1400, `4 times more in ${tookMs} ms`);
});

test('compactions of an engine with one thread go on in it where another cannot be started', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'native-free-lsm-pool-'));
  t.after(() => rm(folder, { recursive: true }));
  const worker = import.meta.resolve('../../../../native-free-lsm/threads/worker.ts');
  const alone = join(folder, 'alone.mjs');
  await writeFile(
    alone,
    `import { workerData } from 'node:worker_threads';
    if (workerData.writes === 'tables') throw new Error('no thread for compactions');
    export const { run } = await import(${JSON.stringify(worker)});`,
  );
  const reports: string[] = [];
  // Each compaction begins when writes are slowed down already.
  await using engine = await open(
    join(folder, 'db'),
    { durability: 'none', l0CompactionTables: 2, l0SlowdownTables: 2 },
    {
      executor: (context) => new SingleThreadExecutor(context, { filename: pathToFileURL(alone).href }),
      report: (message) => void reports.push(message),
    },
  );
  for (let table = 0; table < 3; table++) {
    await engine.put(KEY, VALUE);
    await engine.flush();
  }
  await until(
    () => engine.stats().compactions > 0,
    20_000,
    () => reports.join(),
  );
  assert.deepEqual(reports, []);
  assert.equal(engine.getSync(KEY)?.length, VALUE.length);
});
