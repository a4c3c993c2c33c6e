/** Threads of a real engine, killed whatever they are doing. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Engine, type EngineOptions, open } from '../../../native-free-lsm/index.ts';
import { seededRandom } from '../../../src/clock.ts';
import { BUSY_OPTIONS, BUSY_TRAFFIC } from '../../support/busy-engine.ts';
import { openDescriptors } from '../../support/descriptors.ts';
import { filesAtRest, tableCount } from '../../support/engine-files.ts';
import { EngineLedger } from '../../support/engine-ledger.ts';
import { EngineTraffic, engineKey, settleLedger, type TrafficOptions } from '../../support/engine-traffic.ts';
import { collectGarbage } from '../../support/garbage.ts';
import { type MortalPool, mortalPool } from '../../support/mortal-pool.ts';
import { ownValue } from '../../support/own-value.ts';
import { until } from '../../support/until.ts';

/** Multiplies how many threads are killed: `QUORATE_STRESS=20` runs for minutes. */
const STRESS = Number(process.env.QUORATE_STRESS ?? 1);
const SEED = Number(process.env.SEED ?? 20261125);
const KIB = 1024;

const OPTIONS: Partial<EngineOptions> = { ...BUSY_OPTIONS, readers: 2, maxBackgroundJobs: 2 };

const TRAFFIC: TrafficOptions = {
  ...BUSY_TRAFFIC,
  seed: SEED,
  readShare: 0.6,
  mayFail: ['WORKER_DIED', 'OVERLOADED'],
};

function readsByReader(engine: Engine): number[] {
  const { tableReadsByThread } = engine.stats();
  return [tableReadsByThread['reader-1'], tableReadsByThread['reader-2']];
}

describe('threads that are killed', { timeout: 480_000 * STRESS }, () => {
  let root: string;
  let made = 0;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'native-free-lsm-deaths-'));
  });
  after(() => rm(root, { recursive: true, force: true }));
  const directory = (): string => join(root, String(made++));

  async function opened(
    path: string,
    reports: string[] = [],
    options = OPTIONS,
  ): Promise<{ engine: Engine; pool: MortalPool }> {
    const { executor, pool } = mortalPool();
    const report = (message: string): void => void reports.push(message);
    const engine = await open(path, options, { executor, report });
    return { engine, pool: pool() };
  }

  test('readers: every read is answered with its own value or by name, and nothing is left open', async (t) => {
    t.diagnostic(`seed ${SEED}`);
    const random = seededRandom(SEED);
    const path = directory();
    const reports: string[] = [];
    const { engine: opening, pool } = await opened(path, reports);
    await using engine = opening;
    const ledger = new EngineLedger();
    const traffic = new EngineTraffic(engine, ledger, TRAFFIC);
    await until(
      () => traffic.calls > 3000 && engine.stats().compactions > 0,
      60_000,
      () => `only ${traffic.calls} calls, ${engine.stats().compactions} compactions`,
    );
    const descriptorsBefore = openDescriptors() ?? 0;
    let memoryBefore = 0;
    const kills = 5 * STRESS;
    for (let kill = 1; kill <= kills; kill++) {
      // Wait until both work again, or a death would go unnoticed: the next test kills threads that are starting.
      const before = readsByReader(engine);
      const enough = traffic.reads + 1 + Math.floor(random() * 400);
      await until(
        () => traffic.reads >= enough && readsByReader(engine).every((reads, i) => reads > before[i]),
        30_000,
        () =>
          `after ${kill - 1} kills reads stand at ${traffic.reads}, ${readsByReader(engine)} of them of tables`,
      );
      assert.ok(await pool.killReader(random));
      if (kill === 2) memoryBefore = await collectGarbage();
    }
    const reads = traffic.reads + 1000;
    await until(
      () => traffic.reads > reads,
      30_000,
      () => `reads stand at ${traffic.reads}`,
    );
    await traffic.stop();
    await filesAtRest(engine, path);
    assert.equal(engine.stats().readsInFlight, 0);
    assert.equal(reports.filter((report) => report.includes('another takes its place')).length, kills);
    await settleLedger(engine, ledger);
    // Rings of 5 MiB go with each thread: were they kept, memory would show it.
    const memoryGrowth = (await collectGarbage()) - memoryBefore;
    assert.ok(memoryGrowth < 8 * KIB * KIB, `shared memory grew by ${memoryGrowth} bytes`);
    // Tables open in two readers and the writer, and no more than before, except for the growth of the tree.
    const openLimit = descriptorsBefore + 3 * tableCount(engine) + 10;
    assert.ok(
      (openDescriptors() ?? 0) <= openLimit,
      `${openDescriptors()} descriptors, ${openLimit} are too many`,
    );
    await engine.close();
    const again = await open(path, OPTIONS);
    await settleLedger(again, ledger);
    await again.close();
    t.diagnostic(`${traffic.reads} reads, ${traffic.scans} scans, ${traffic.writes} writes, ${kills} kills`);
    t.diagnostic(`refused: ${JSON.stringify([...traffic.failures])}, memory grew by ${memoryGrowth} bytes`);
  });

  test('a reader that is killed while it starts, again and again: reads wait for the one that lives', async () => {
    const random = seededRandom(SEED);
    const { engine: opening, pool } = await opened(directory(), [], { ...OPTIONS, readers: 1 });
    await using engine = opening;
    for (let key = 0; key < 200; key++) await engine.put(engineKey(key), ownValue(key, 1, 400));
    await engine.flush();
    for (let round = 0; round < 3; round++) {
      const reads = Array.from({ length: 200 }, (_, key) => engine.get(engineKey(key)));
      // Once when it runs, then twice before it can have loaded its program.
      for (let kill = 0; kill < 3; kill++) {
        await until(
          () => pool.killReader(random),
          30_000,
          () => 'no thread is started in place of one that was killed',
        );
      }
      const found = await Promise.all(reads);
      for (const [key, value] of found.entries()) assert.deepEqual(value, Buffer.from(ownValue(key, 1, 400)));
    }
    await engine.close();
  });

  test('background threads in flush and compaction: no file is left, the job is done by another', async (t) => {
    const random = seededRandom(SEED + 1);
    const path = directory();
    const reports: string[] = [];
    const { engine: opening, pool } = await opened(path, reports);
    await using engine = opening;
    const ledger = new EngineLedger();
    const traffic = new EngineTraffic(engine, ledger, { ...TRAFFIC, readShare: 0.1 });
    let kills = 0;
    let flushesAtKill = -1;
    await until(
      async () => {
        // A flush that is killed each time it is tried would be tried more and more rarely, and no compaction be due.
        const { flushes } = engine.stats();
        // A thread is at work when a table is there that is not whole.
        const isWriting = (await readdir(path)).some((name) => name.endsWith('.tmp'));
        if (isWriting && flushes > flushesAtKill && (await pool.killBackground(random))) {
          kills++;
          flushesAtKill = flushes;
        }
        // A line for each row of failures, not for each failure.
        const isFailed = (jobs: string): boolean =>
          reports.some((report) => report.startsWith(jobs) && report.includes('a background thread died'));
        return kills >= 2 * STRESS && isFailed('flushes fail') && isFailed('compactions fail');
      },
      90_000,
      () => `${kills} kills, reports: ${reports.slice(-5).join('; ')}`,
    );
    await traffic.stop();
    await engine.flush().catch(() => undefined);
    await filesAtRest(engine, path);
    const { flushes, compactions, lastError } = engine.stats();
    assert.ok(flushes > 0 && compactions > 0);
    assert.equal(lastError, null);
    await settleLedger(engine, ledger);
    await engine.close();
    const again = await open(path, OPTIONS);
    await settleLedger(again, ledger);
    await again.close();
    t.diagnostic(`${kills} kills, ${flushes} flushes, ${compactions} compactions; ${reports.length} reports`);
  });

  test('the writer: every write is told, reads go on, a restart has what was acknowledged', async (t) => {
    for (let round = 0; round < STRESS; round++) {
      const random = seededRandom(SEED + 100 + round);
      const path = directory();
      const reports: string[] = [];
      const { engine: opening, pool } = await opened(path, reports);
      await using engine = opening;
      const ledger = new EngineLedger();
      const mayFail = ['POISONED', 'OVERLOADED'];
      const traffic = new EngineTraffic(engine, ledger, {
        ...TRAFFIC,
        seed: SEED + round,
        readShare: 0.3,
        mayFail,
      });
      const enough = 200 + Math.floor(random() * 1000);
      await until(
        () => traffic.writes >= enough,
        30_000,
        () => `only ${traffic.writes} writes`,
      );
      await pool.killWriter();
      const reads = traffic.reads + 500;
      await until(
        () => (traffic.failures.get('POISONED') ?? 0) > 16 && traffic.reads > reads,
        30_000,
        () => `${traffic.reads} reads, failures ${JSON.stringify([...traffic.failures])}`,
      );
      await traffic.stop();
      assert.match(reports.join(), /the writer thread died \(.*\): restart the engine/);
      const { state, lastError, writesInFlight } = engine.stats();
      assert.equal(state, 'poisoned');
      assert.match(lastError as string, /the writer thread died/);
      assert.equal(writesInFlight, 0);
      for (const call of [engine.put(engineKey(1), engineKey(1)), engine.flush(), engine.compact()])
        await assert.rejects(call, { code: 'POISONED' });
      await engine.close();
      const again = await open(path, OPTIONS);
      const live = await settleLedger(again, ledger);
      await again.put(engineKey(1), engineKey(1));
      await again.close();
      t.diagnostic(`${traffic.writes} writes before the kill, ${live} keys after the restart`);
    }
  });
});
