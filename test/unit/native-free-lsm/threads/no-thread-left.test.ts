/** The system has no thread left for an engine that needs one, and later has some again. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Worker } from 'node:worker_threads';
import {
  type Engine,
  type EngineCondition,
  type EngineOptions,
  open,
} from '../../../../native-free-lsm/index.ts';
import type { Executor } from '../../../../native-free-lsm/threads/executor.ts';
import { PoolExecutor } from '../../../../native-free-lsm/threads/pool.ts';
import { SingleThreadExecutor } from '../../../../native-free-lsm/threads/single-thread-executor.ts';
import { until } from '../../../support/until.ts';

/** Too large for a cache that is not to hold anything. */
const VALUE = 'x'.repeat(5000);
const OPTIONS = { blockCacheBytes: 0, readers: 1, maxBackgroundJobs: 1 } as const;

let root: string;
/** As a thread's arguments these make it impossible: Node throws when it is to be made, or it ends while it starts. */
let impossible: Readonly<Record<'throws' | 'ends', readonly string[]>>;
let made = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'native-free-lsm-no-thread-'));
  const broken = join(root, 'broken.mjs');
  await writeFile(broken, "throw new Error('EAGAIN');");
  impossible = { throws: ['--no-such-option'], ends: ['--import', pathToFileURL(broken).href] };
});
after(() => rm(root, { recursive: true }));

/** An engine whose threads can be made impossible. */
class Starved {
  readonly directory = join(root, String(made++));
  readonly reports: string[] = [];
  readonly #execArgv: string[] = [];
  #executor: Executor | undefined;

  open(singleThread: boolean, options: Partial<EngineOptions> = {}): Promise<Engine> {
    const given = { execArgv: this.#execArgv };
    return open(
      this.directory,
      { ...OPTIONS, ...options, singleThread },
      {
        executor: (context) => {
          this.#executor = singleThread
            ? new SingleThreadExecutor(context, given)
            : new PoolExecutor(context, given);
          return this.#executor;
        },
        report: (message) => void this.reports.push(message),
      },
    );
  }

  forbidThreads(how: keyof typeof impossible): void {
    this.#execArgv.push(...impossible[how]);
  }

  allowThreads(): void {
    this.#execArgv.length = 0;
  }

  async kill(name: string): Promise<void> {
    const list = () => this.#executor?.threads?.list() ?? [];
    const find = () => list().find((thread) => thread.name === name)?.handle as Worker | undefined;
    await until(
      () => find() !== undefined,
      30_000,
      () => `no ${name}`,
    );
    await find()?.terminate();
  }
}

function conditionOf(engine: Engine, code: string): EngineCondition | undefined {
  return engine.stats().conditions.find((condition) => condition.code === code);
}

async function untilCondition(engine: Engine, code: string, isThere: boolean): Promise<void> {
  await until(
    () => (conditionOf(engine, code) !== undefined) === isThere,
    60_000,
    () => JSON.stringify(engine.stats().conditions),
  );
}

function scan(engine: Engine): Promise<unknown[]> {
  return Array.fromAsync(engine.range());
}

describe('no thread is left', { timeout: 240_000 }, () => {
  for (const how of ['throws', 'ends'] as const)
    for (const singleThread of [false, true])
      test(`when a reader has died, and a start ${how}, singleThread ${singleThread}: what needs none goes on, the rest is refused until one is there`, async () => {
        const starved = new Starved();
        {
          await using engine = await starved.open(singleThread);
          await engine.put('on disk', VALUE);
          await engine.flush();
          await engine.put('in memory', 'value');
          assert.equal((await scan(engine)).length, 2);
          starved.forbidThreads(how);
          await starved.kill(singleThread ? 'engine' : 'reader-1');
          await untilCondition(engine, 'READER_FAILING', true);
          // Each is answered: at first when it has been tried for a moment.
          const refused = { code: 'WORKER_DIED', message: /cannot be started/ };
          const reads = [engine.get('on disk'), scan(engine)];
          await Promise.all(reads.map((read) => assert.rejects(read, refused)));
          await assert.rejects(scan(engine), refused);
          assert.equal(String(await engine.get('in memory')), 'value');
          assert.equal(String(engine.getSync('on disk')), VALUE);
          const { stopsWrites, sinceMs } = conditionOf(engine, 'READER_FAILING') as EngineCondition;
          assert.equal(stopsWrites, false);
          assert.ok(sinceMs <= Date.now());
          assert.equal(
            starved.reports.filter((line) => line.includes('reader threads are missing')).length,
            1,
          );
          if (!singleThread) await engine.put('meanwhile', 'value');
          starved.allowThreads();
          await untilCondition(engine, 'READER_FAILING', false);
          assert.equal(String(await engine.get('on disk')), VALUE);
          assert.equal((await scan(engine)).length, singleThread ? 2 : 3);
          assert.ok(starved.reports.some((line) => line.includes('reader threads are there again')));
        }
        await using again = await open(starved.directory);
        assert.equal(String(again.getSync('in memory')), 'value');
        assert.equal(again.getSync('meanwhile')?.toString(), singleThread ? undefined : 'value');
      });

  test('when one of two readers has died: the other does all', async () => {
    const starved = new Starved();
    await using engine = await starved.open(false, { readers: 2 });
    await engine.put('on disk', VALUE);
    await engine.flush();
    await Promise.all([scan(engine), scan(engine)]);
    starved.forbidThreads('throws');
    await starved.kill('reader-2');
    for (let round = 0; round < 20; round++)
      assert.equal((await Promise.all([scan(engine), scan(engine)])).length, 2);
    await untilCondition(engine, 'READER_FAILING', true);
    for (let round = 0; round < 20; round++) assert.equal(String(await engine.get('on disk')), VALUE);
    starved.allowThreads();
    await untilCondition(engine, 'READER_FAILING', false);
    await Promise.all([scan(engine), scan(engine)]);
  });

  test('when a job is to be done: it is a condition, and is done when there is one', async () => {
    const starved = new Starved();
    await using engine = await starved.open(false);
    await engine.put('key', VALUE);
    starved.forbidThreads('throws');
    await assert.rejects(engine.flush(), {
      code: 'WORKER_DIED',
      message: /a background thread cannot be started/,
    });
    assert.match(
      conditionOf(engine, 'FLUSH_FAILING')?.message ?? '',
      /a background thread cannot be started/,
    );
    await engine.put('meanwhile', 'value');
    assert.equal(String(await engine.get('key')), VALUE);
    starved.allowThreads();
    await untilCondition(engine, 'FLUSH_FAILING', false);
    await engine.flush();
    assert.equal(String(await engine.get('key')), VALUE);
    assert.deepEqual(engine.stats().conditions, []);
  });

  for (const how of ['throws', 'ends'] as const)
    for (const singleThread of [false, true])
      test(`when an engine is opened, and a start ${how}, singleThread ${singleThread}: writes are refused, and taken once there is one`, async () => {
        const starved = new Starved();
        starved.forbidThreads(how);
        {
          await using engine = await starved.open(singleThread);
          const refused = { code: 'WORKER_DIED', message: /the writer thread cannot be started/ };
          const writes = [
            engine.put('refused', '1'),
            engine.write([{ type: 'put', key: 'too', value: '2' }]),
          ];
          for (const write of writes) await assert.rejects(write, refused);
          await assert.rejects(engine.put('refused', '3'), refused);
          assert.equal(conditionOf(engine, 'WRITER_FAILING')?.stopsWrites, true);
          assert.equal(engine.stats().state, 'open');
          starved.allowThreads();
          await untilCondition(engine, 'WRITER_FAILING', false);
          await engine.put('taken', '4');
          await engine.flush();
        }
        await using again = await open(starved.directory);
        for (const key of ['refused', 'too']) assert.equal(again.getSync(key), undefined);
        assert.equal(String(again.getSync('taken')), '4');
      });

  for (const singleThread of [false, true])
    test(`an engine is closed meanwhile, with calls under way, singleThread ${singleThread}`, async () => {
      const starved = new Starved();
      {
        const engine = await starved.open(singleThread);
        await engine.put('on disk', VALUE);
        await engine.flush();
        starved.forbidThreads('throws');
        await starved.kill(singleThread ? 'engine' : 'reader-1');
        // Its writer died with it.
        if (singleThread) await untilCondition(engine, 'POISONED', true);
        const reads = [scan(engine), scan(engine)];
        const ends = reads.map((read) => assert.rejects(read, { code: /^(CLOSED|WORKER_DIED)$/ }));
        await engine.close();
        await Promise.all(ends);
      }
      {
        const engine = await starved.open(singleThread);
        const write = engine.put('never', 'value');
        const end = assert.rejects(write, { code: /^(CLOSED|WORKER_DIED)$/ });
        await engine.close();
        await end;
      }
      starved.allowThreads();
      await using again = await starved.open(singleThread);
      assert.equal(String(await again.get('on disk')), VALUE);
      assert.equal(await again.get('never'), undefined);
    });
});
