/** Threads that cannot be started, and that end by themselves. What those that run do is in test/contract/engine. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Engine, type LsmError, open } from '../../../../native-free-lsm/index.ts';
import { PoolExecutor } from '../../../../native-free-lsm/threads/pool.ts';
import { SingleThreadExecutor } from '../../../../native-free-lsm/threads/single-thread-executor.ts';
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
    await writeFile(broken, "throw new Error('no such luck');");
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
    const writes = [engine.put(KEY, Buffer.from('new')), engine.put(KEY, Buffer.from('newer'))];
    for (const write of writes)
      await assert.rejects(write, { code: 'POISONED', message: /the writer thread died .*no such luck/ });
    await assert.rejects(engine.put(KEY, Buffer.from('late')), { code: 'POISONED' });
    const poisoned = engine.stats().conditions.find(({ code }) => code === 'POISONED');
    assert.ok(poisoned?.stopsWrites && poisoned.message.includes('no such luck'));
    await assert.rejects(Array.fromAsync(engine.range()), { code: 'WORKER_DIED' });
    assert.ok(reports.some((report) => /a reader thread died .*no such luck/.test(report)));
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
      10_000,
      () => names().join(),
    );
    await until(
      () => names().includes('writer') && names().includes('reader-1'),
      10_000,
      () => names().join(),
    );
  }
});
