/** A real engine whose roles and jobs have one thread. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { type EngineOptions, open } from '../../../native-free-lsm/index.ts';
import { SingleThreadExecutor } from '../../../native-free-lsm/threads/single-thread-executor.ts';
import { BUSY_OPTIONS, BUSY_TRAFFIC } from '../../support/busy-engine.ts';
import { filesAtRest } from '../../support/engine-files.ts';
import { EngineLedger } from '../../support/engine-ledger.ts';
import { EngineTraffic, settleLedger, type TrafficOptions } from '../../support/engine-traffic.ts';
import { until } from '../../support/until.ts';

const SEED = Number(process.env.SEED ?? 20261129);

const OPTIONS: Partial<EngineOptions> = { ...BUSY_OPTIONS, singleThread: true };

const TRAFFIC: TrafficOptions = {
  ...BUSY_TRAFFIC,
  seed: SEED,
  readShare: 0.5,
  mayFail: ['OVERLOADED', 'POISONED'],
};

describe('an engine with one thread', { timeout: 480_000 }, () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'native-free-lsm-single-'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  test('writes, reads, flushes and compacts, and a restart has all of it', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const path = join(root, 'traffic');
    let executor: SingleThreadExecutor | undefined;
    // Whoever asked for one thread has no other, however many tables wait for a compaction.
    const patient = { ...OPTIONS, l0CompactionTables: 2, l0SlowdownTables: 2 };
    const engine = await open(path, patient, {
      executor: (context) => {
        executor = new SingleThreadExecutor(context);
        return executor;
      },
    });
    const ledger = new EngineLedger();
    const traffic = new EngineTraffic(engine, ledger, TRAFFIC);
    await until(
      () => traffic.calls > 1000 && engine.stats().compactions > 1 && traffic.scans > 20,
      60_000,
      () => `only ${traffic.calls} calls, ${engine.stats().compactions} compactions`,
    );
    assert.deepEqual(
      executor?.threads.list().map(({ name }) => name),
      ['engine'],
    );
    const checkpoint = join(root, 'checkpoint');
    await engine.checkpoint(checkpoint);
    await traffic.stop();
    assert.deepEqual(Object.fromEntries(traffic.failures), {});
    await filesAtRest(engine, path);
    await settleLedger(engine, ledger);
    await engine.compact();
    await settleLedger(engine, ledger);
    await engine.close();
    const again = await open(path, { ...OPTIONS, singleThread: false });
    await settleLedger(again, ledger);
    await again.close();
    await (await open(checkpoint, OPTIONS)).close();
  });

  test('is poisoned when the thread is killed, reads with another one, and a restart has what was acknowledged', async () => {
    const path = join(root, 'killed');
    let executor: SingleThreadExecutor | undefined;
    const reports: string[] = [];
    await using engine = await open(path, OPTIONS, {
      executor: (context) => {
        executor = new SingleThreadExecutor(context);
        return executor;
      },
      report: (message) => void reports.push(message),
    });
    const ledger = new EngineLedger();
    const traffic = new EngineTraffic(engine, ledger, { ...TRAFFIC, seed: SEED + 1 });
    await until(
      () => traffic.writes > 500 && engine.stats().compactions > 0,
      60_000,
      () => `only ${traffic.writes} writes, ${engine.stats().compactions} compactions`,
    );
    const [thread] = (executor?.threads.list() ?? []).filter(({ name }) => name === 'engine');
    await (thread.handle as Worker).terminate();
    const reads = traffic.reads + 500;
    await until(
      () => (traffic.failures.get('POISONED') ?? 0) > 16 && traffic.reads > reads,
      60_000,
      () => `${traffic.reads} reads, failures ${JSON.stringify([...traffic.failures])}`,
    );
    await traffic.stop();
    assert.ok(reports.some((report) => report.includes('the writer thread died')));
    assert.ok(reports.some((report) => report.includes('another takes its place')));
    assert.equal(engine.stats().readsInFlight, 0);
    await engine.close();
    const again = await open(path, OPTIONS);
    await settleLedger(again, ledger);
    await again.close();
  });

  test('has another one for compactions while they do not keep up, if nobody asked for one', async () => {
    const path = join(root, 'behind');
    let executor: SingleThreadExecutor | undefined;
    // Each compaction begins when writes are slowed down already.
    const impatient = { ...OPTIONS, singleThread: null, l0CompactionTables: 2, l0SlowdownTables: 2 };
    const engine = await open(path, impatient, {
      executor: (context) => {
        executor = new SingleThreadExecutor(context, { idleTimeout: 20 });
        return executor;
      },
    });
    const names = () => (executor?.threads.list() ?? []).map(({ name }) => name).toSorted();
    const ledger = new EngineLedger();
    const traffic = new EngineTraffic(engine, ledger, { ...TRAFFIC, seed: SEED + 2 });
    await until(
      () => names().some((name) => name.startsWith('background')) && engine.stats().compactions > 2,
      60_000,
      () => `${engine.stats().compactions} compactions by ${names()}`,
    );
    await traffic.stop();
    assert.deepEqual(Object.fromEntries(traffic.failures), {});
    await filesAtRest(engine, path);
    await until(
      () => names().join() === 'engine',
      60_000,
      () => `there are still ${names()}`,
    );
    await settleLedger(engine, ledger);
    await engine.close();
  });

  test('is refused more than one reader', async () => {
    const opening = open(join(root, 'readers'), { singleThread: true, readers: 2 });
    await assert.rejects(opening, { code: 'INVALID_ARGUMENT', message: /readers must be 1/ });
  });
});
